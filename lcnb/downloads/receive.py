"""One try at one file: ask for what is missing, judge the answer, write what comes."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError

from lcnb.downloads.disk import on_disk
from lcnb.downloads.https import host
from lcnb.downloads.problems import Trouble, trouble
from lcnb.errors import DownloadError

if TYPE_CHECKING:
    from lcnb.downloads.transfer import Session, Want

BLOCK = 1 << 18
RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


class Stopped(DownloadError):
    """Another thread has failed; this one ends."""


@dataclass(frozen=True)
class Note:
    """Which version of the file a part belongs to, by the server's ETag or date; "" if it names none."""

    url: str
    version: str


def receive(session: Session, want: Want, part: Path) -> None:
    """Add what is missing to `part`.

    Raises:
        Trouble: it is not complete.
        DownloadError: the disk is full, another file is offered, or the session ends.
    """
    had = _usable(part, want)
    if had == want.size:
        return
    response = _ask(session, want, part, had)
    if response is None:
        return
    with contextlib.closing(response):
        start, total = _judge(response, want, part, had)
        if start == 0:
            _note(part, want, response)
        _write(session, want, part, response, start, total)


def _usable(part: Path, want: Want) -> int:
    """Bytes of an earlier try that can be built on; what cannot be is removed."""
    if not part.exists():
        return 0
    had, note = part.stat().st_size, _noted(part)
    known = note is not None and note.version and note.url == want.url
    if had > want.most or had == 0 or not (known or want.digest):
        discard(part)
        return 0
    return had


def _ask(session: Session, want: Want, part: Path, had: int) -> http.client.HTTPResponse | None:
    """The answer to a request for what is missing; None if nothing is."""
    headers, note = {}, _noted(part)
    if had:
        headers["Range"] = f"bytes={had}-"
        if note is not None and note.version and note.url == want.url:
            headers["If-Range"] = note.version
    try:
        return session.opener.open(want.url, headers, session.patience.silence)
    except HTTPError as error:
        if error.code == 416 and had:
            error.close()
            if error.headers.get("Content-Range") == f"bytes */{had}":
                return None
            discard(part)
            raise Trouble(f"{host(want.url)} has fewer bytes than came before") from None
        raise trouble(error, want.url, session.opener) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise trouble(error, want.url, session.opener) from None


def _judge(response: http.client.HTTPResponse, want: Want, part: Path, had: int) -> tuple[int, int | None]:
    """(where the answer starts in the file, bytes of the whole file if told)."""
    who = host(want.url)
    total: int | None
    if response.status == 206 and had:
        match = RANGE.match(response.headers.get("Content-Range", ""))
        note = _noted(part)
        changed = note is not None and note.version and _version(response) not in ("", note.version)
        if match is None or int(match[1]) != had or changed:
            discard(part)
            raise Trouble(f"{who} sends {'another version' if changed else 'a part that was not asked for'}")
        start, total = had, int(match[2])
    elif response.status == 200:
        length = response.headers.get("Content-Length", "")
        start, total = 0, int(length) if length.isdigit() else None
    else:
        raise Trouble(f"{who} gives no file ({response.status})", "no")
    if total is not None and total != (want.size or total):
        raise Trouble(f"{who} offers {total:,} bytes where {want.size:,} are published, so it is another file", "no")
    if total is not None and total > want.most:
        raise Trouble(f"{who} offers {total:,} bytes, more than the file can have", "no")
    return start, total


def _write(
    session: Session, want: Want, part: Path, response: http.client.HTTPResponse, start: int, total: int | None
) -> None:
    """Append to the part, or begin it anew, as it comes."""
    done, who = start, host(want.url)
    whole = want.size or total
    since, mark = time.monotonic(), start
    with on_disk(part):
        file = part.open("ab" if start else "wb", buffering=0)
    with file:
        while block := _read(session, want, response):
            session.arrived.set()
            done += len(block)
            if done > want.most:
                raise _too_long(part, who)
            with on_disk(part):
                _all(file.fileno(), block)
            session.progress(part.name.removesuffix(".part"), done, whole)
            if session.stop.is_set():
                raise Stopped("stopped")
            if time.monotonic() - since > session.patience.window:
                if done - mark < session.patience.least:
                    raise Trouble(f"{who} sends next to nothing")
                since, mark = time.monotonic(), done
        with on_disk(part):
            os.fsync(file.fileno())
    if done < (whole or done):
        raise Trouble(f"{who} ended after {done:,} of {whole:,} bytes")


def _read(session: Session, want: Want, response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read1(BLOCK)
    except TimeoutError:
        raise Trouble(f"{host(want.url)} has sent nothing for {session.patience.silence:.0f} s") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise trouble(error, want.url, session.opener) from None


def _all(descriptor: int, block: bytes) -> None:
    """A full disk may take the first half of a block without a word."""
    view = memoryview(block)
    while view:
        view = view[os.write(descriptor, view) :]


def _too_long(part: Path, who: str) -> Trouble:
    discard(part)
    return Trouble(f"{who} sends more than the file can have", "no")


def discard(part: Path) -> None:
    """Remove a partial file and the note about it."""
    part.unlink(missing_ok=True)
    _beside(part).unlink(missing_ok=True)


def _beside(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _version(response: http.client.HTTPResponse) -> str:
    """A strong ETag, else the date of the last change."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "") if not tag else ""


def _note(part: Path, want: Want, response: http.client.HTTPResponse) -> None:
    """Of a new part, before its first byte: an old part may not keep a new note."""
    part.unlink(missing_ok=True)
    with on_disk(part):
        note = {"url": want.url, "version": _version(response)}
        _beside(part).write_text(json.dumps(note), encoding="utf-8")


def _noted(part: Path) -> Note | None:
    try:
        return Note(**json.loads(_beside(part).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
