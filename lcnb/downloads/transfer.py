"""One file, from an address to a name: resumed where the server can, tried again where that helps, checked, renamed.

What has come lies in NAME.part, and beside it NAME.part.json says which version of the file it belongs to. A server
that cannot send the rest, or has another version by now, sends it all, and the part starts again.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from lcnb.downloads import checksums
from lcnb.downloads.checksums import Progress, silent
from lcnb.downloads.disk import on_disk
from lcnb.downloads.https import Opener
from lcnb.downloads.problems import Trouble
from lcnb.downloads.receive import discard, receive
from lcnb.errors import DownloadError


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server.

    Attributes:
        silence: seconds without a byte until it counts as stalled.
        window, least: seconds in which at least so many bytes have to come.
        tries: in a row that bring little.
        worth: bytes that a try has to bring to count as progress.
        pause: seconds before the second try; doubled each time, up to `longest`.
        longest: seconds that a server may ask to wait.
    """

    silence: float = 30.0
    window: float = 60.0
    least: int = 64_000
    tries: int = 5
    worth: int = 1 << 20
    pause: float = 1.0
    longest: float = 60.0


PATIENCE = Patience()


@dataclass
class Session:
    """What the fetches of one call share.

    Attributes:
        progress: told how far it is.
        say: told, in a sentence, what happens; `pausing` what is waited for.
        mirror: an https address that stands for the folder of every published one, or None.
        stop: set to end the threads that are fetching.
        arrived: set once something has come from the network in this call.
    """

    progress: Progress = silent
    say: Callable[[str], None] = print
    pausing: Callable[[str], None] = lambda text: None
    mirror: str | None = None
    patience: Patience = field(default_factory=lambda: PATIENCE)
    stop: threading.Event = field(default_factory=threading.Event)
    opener: Opener = field(default_factory=Opener)
    arrived: threading.Event = field(default_factory=threading.Event)

    def url(self, published: str, name: str) -> str:
        """Where to ask: the published address, or the mirror's file of that name."""
        return published if self.mirror is None else f"{self.mirror}/{quote(name)}"


@dataclass(frozen=True)
class Want:
    """What a file has to be.

    Attributes:
        url: where to ask.
        size: its bytes, where they are published.
        most: more are never taken.
        digest: such as "sha256:4f7e...", or "" where none is published.
        otherwise: half a sentence: what a person can do where nothing helps.
    """

    url: str
    size: int | None
    most: int
    digest: str
    otherwise: str


def fetch(session: Session, want: Want, target: Path) -> None:
    """Make `target`, whole and checked.

    Raises:
        DownloadError: it cannot be had, or is not the published one. What came stays for the next call, unless it
            turned out to be wrong.
    """
    part = partial(target)
    resumed = part.exists()
    _transfer(session, want, part)
    wrong = mismatch(part, want.digest, session.progress)
    if wrong and resumed:  # perhaps the old beginning did not belong to the new end
        discard(part)
        _transfer(session, want, part)
        wrong = mismatch(part, want.digest, session.progress)
    if wrong:
        discard(part)
        raise DownloadError(f"{want.url} is not the published file ({wrong}); it was not kept; {want.otherwise}")
    with on_disk(target):
        os.replace(part, target)
    discard(part)


def partial(target: Path) -> Path:
    """The name of a file that is still coming."""
    return target.with_name(f"{target.name}.part")


def mismatch(path: Path, digest: str, progress: Progress) -> str | None:
    """How a file differs from its published checksum; None if it does not, or none is published."""
    algorithm, _, wanted = digest.partition(":")
    if not digest or (found := checksums.digest(path, algorithm, progress)) == wanted:
        return None
    return f"{algorithm} {found} instead of {wanted}"


def _transfer(session: Session, want: Want, part: Path) -> None:
    """Try until the part is complete."""
    failed, furthest = 0, _size(part)
    while True:
        try:
            receive(session, want, part)
            return
        except Trouble as problem:
            worked = _size(part) - furthest >= session.patience.worth
            failed, furthest = 0 if worked else failed + 1, max(furthest, _size(part))
            hopeless = problem.again == "no" or (problem.again == "later" and not session.arrived.is_set())
            wait = min(session.patience.pause * 2 ** max(failed - 1, 0), session.patience.longest)
            asked = problem.wait or 0.0
            if hopeless or failed >= session.patience.tries or asked > session.patience.longest:
                raise DownloadError(_given_up(problem, failed, asked, want)) from None
            session.pausing(f"{problem}; again in {max(wait, asked):.0f} s")
            _sleep(session, max(wait, asked))


def _given_up(problem: Trouble, tries: int, asked: float, want: Want) -> str:
    text = f"{problem}"
    if problem.again != "no" and tries > 1:
        text += f", {tries} times in a row"
    if asked > 0:
        text += f"; it asks to wait {asked:.0f} s"
    return f"{text}. What has come stays: run the same command again, or {want.otherwise}"


def _sleep(session: Session, seconds: float) -> None:
    """Wait, unless another thread has failed meanwhile."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and not session.stop.is_set():
        time.sleep(min(left, 0.1))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
