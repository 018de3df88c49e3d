"""Files from https addresses: resumed where they stopped, retried where that can help, verified, then renamed.

What has arrived so far lies in NAME.part. Every file has a published checksum, which alone decides: if a part does
not belong to the rest, or the file was replaced on the server meanwhile, it is fetched again from the start.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import queue
import re
import socket
import ssl
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from tqdm.auto import tqdm

from lcnb import __version__
from lcnb.datasets.download.files import mismatch, on_disk
from lcnb.errors import DownloadError
from lcnb.paths import REPOSITORY

BLOCK = 1 << 18
CONNECTIONS = 6
SILENCE = 30.0
"""Seconds without a byte until a server counts as stalled."""
WINDOW, LEAST = 60.0, 64_000
"""Seconds, and the bytes that must arrive within them; a try that brings as many bytes counts as progress."""
TRIES = 5
"""Failed tries in a row, without progress, after which a file is given up."""
PAUSE, LONGEST = 1.0, 60.0
"""Seconds before the second try, doubled for each further one; and the longest wait."""
LATER = {408, 425, 429, 500, 502, 503, 504}
"""Status codes after which another try can help."""
MEANING = {
    401: "wants a login",
    403: "refuses it",
    404: "no longer has it",
    407: "wants a login",
    410: "no longer has it",
    429: "has had too many requests from here",
    451: "may not give it out here",
}
FAILED = (OSError, urllib3.exceptions.HTTPError)
"""What requests (its exceptions are OSErrors), urllib3 and the sockets raise."""
BROKEN = (ConnectionError, http.client.HTTPException, ssl.SSLError, urllib3.exceptions.ProtocolError)
TIMES_OUT = (TimeoutError, urllib3.exceptions.TimeoutError)
MIRROR = re.compile(r"https://[\w.-]+(:[1-9]\d{,4})?(/[^\s?#@]*)?", re.ASCII)
VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
"""In order of precedence."""


@dataclass(frozen=True)
class Want:
    """A file to fetch.

    Attributes:
        url: its https address.
        size: in bytes, where it is published; else None.
        most: upper bound in bytes; no more is ever written.
        digest: its checksum, such as "sha256:4f7e...".
        otherwise: end of an error's sentence: what to do by hand.
    """

    url: str
    size: int | None
    most: int
    digest: str
    otherwise: str


class Trouble(Exception):
    """A failed try: the sentence, whether another try can help, and the seconds that the server asks to wait."""

    def __init__(self, text: str, again: bool = True, wait: float = 0.0):
        super().__init__(text)
        self.again, self.wait = again, wait


class _SystemTrust(HTTPAdapter):
    """Trusts the system's authorities and SSL_CERT_FILE as well as certifi: some networks inspect TLS."""

    def init_poolmanager(self, *sizes: Any, **options: Any) -> None:
        self.context = ssl.create_default_context()
        super().init_poolmanager(*sizes, ssl_context=self.context, **options)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        return super().proxy_manager_for(proxy, ssl_context=self.context, **options)


class Client:
    """Fetches files for one call of `obtain`.

    Args:
        mirror: an https address of a folder with all the published files, or None for the published addresses.

    Raises:
        DownloadError: `mirror` is no https address, or `SSL_CERT_FILE` names no file.
    """

    def __init__(self, mirror: str | None = None) -> None:
        if mirror is not None and not MIRROR.fullmatch(mirror):
            raise DownloadError(f"{mirror!r} is no address of a mirror; give one such as https://example.org/data")
        file = os.environ.get("SSL_CERT_FILE")
        if file and not os.path.isfile(file):  # OpenSSL would ignore it
            raise DownloadError(
                f"SSL_CERT_FILE is {file}, which is no file; name the file of an authority, or unset it"
            )
        self.mirror = mirror
        self.stop, self.arrived = threading.Event(), threading.Event()
        self.answers: set[requests.Response] = set()
        self.http = requests.Session()
        self.http.mount("https://", _SystemTrust())
        del self.http.adapters["http://"]
        self.http.max_redirects = 5
        self.http.hooks["response"].append(_check_redirect)
        agent = f"lcnb/{__version__}" + (f" (+{REPOSITORY})" if REPOSITORY else "")
        self.http.headers.update({"User-Agent": agent, "Accept-Encoding": "identity"})

    def url(self, published: str, name: str) -> str:
        """Returns the address to fetch from: the published one, or the mirror's file of that name."""
        return published if self.mirror is None else f"{self.mirror.rstrip('/')}/{quote(name)}"

    def fetch(self, what: str, files: Sequence[tuple[Want, Path]]) -> None:
        """Make each target file, complete and checked; several are fetched at once.

        Daemon threads fetch, and this one only waits for them. Ctrl-C therefore ends the call at once, even while a
        name is looked up or a server does not answer. A thread that comes back later writes nothing.

        Args:
            what: names the files in the progress bar.
            files: what each file has to be, and its path.

        Raises:
            DownloadError: the first file that cannot be had, or is not the published one. What came stays for the
                next call, unless it turned out to be wrong.
        """
        todo, done, left = iter(files), queue.SimpleQueue[BaseException | None](), len(files)
        quiet = left > 1

        def work() -> None:
            for want, target in todo:
                try:
                    self._fetch(want, target, quiet)
                    done.put(None)
                except BaseException as error:
                    done.put(error)

        threads = [threading.Thread(target=work, daemon=True) for _ in files[:CONNECTIONS]]
        with tqdm(total=left, desc=what, unit="file", disable=None if quiet else True, leave=False) as bar:
            try:
                for thread in threads:
                    thread.start()
                while left:
                    with contextlib.suppress(queue.Empty):
                        error = done.get(timeout=0.5)  # Windows notices Ctrl-C only between two waits
                        if error is not None:
                            raise error
                        bar.update()
                        left -= 1
            except BaseException:
                self.stop.set()
                for answer in list(self.answers):  # wake the threads that are reading
                    with contextlib.suppress(OSError, RuntimeError, ValueError):
                        answer.raw.shutdown()
                for thread in threads:
                    thread.join(0.2)
                raise

    def _fetch(self, want: Want, target: Path, quiet: bool) -> None:
        """Make one file, complete and verified."""
        part = target.with_name(f"{target.name}.part")
        with on_disk(target):
            target.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(2):
            pieced = self._complete(want, part, quiet)
            wrong = mismatch(part, want.digest)
            if not wrong:
                with on_disk(target):
                    os.replace(part, target)
                return
            part.unlink()
            if not pieced:  # otherwise its beginning and end may come from two versions
                break
        raise DownloadError(f"{want.url} is not the published file ({wrong}); it was not kept; {want.otherwise}")

    def _check_stop(self) -> None:
        if self.stop.is_set():
            raise DownloadError("stopped")

    def _complete(self, want: Want, part: Path, quiet: bool) -> bool:
        """Retry until the part is complete; returns whether it was put together from more than one answer."""
        failed, furthest = 0, _size(part)
        pieced = furthest > 0
        while True:
            try:
                self._receive(want, part, quiet)
                return pieced
            except Trouble as error:
                problem = error
            self._check_stop()
            pieced = True
            failed = 0 if _size(part) - furthest >= LEAST else failed + 1
            furthest = max(furthest, _size(part))
            wait = max(problem.wait, min(PAUSE * 2 ** max(failed - 1, 0), LONGEST))
            if not problem.again or failed >= TRIES or problem.wait > LONGEST:
                times = f", {failed} times in a row" if problem.again and failed > 1 else ""
                asks = f"; it asks to wait {problem.wait:.0f} s" if problem.wait else ""
                stays = "What has come stays: run the same command again, or"
                raise DownloadError(f"{problem}{times}{asks}. {stays} {want.otherwise}")
            if not quiet:
                print(f"{problem}; again in {wait:.0f} s", file=sys.stderr, flush=True)
            self.stop.wait(wait)
            self._check_stop()

    def _receive(self, want: Want, part: Path, quiet: bool) -> None:
        """One try: request the missing bytes, and append them.

        Raises:
            Trouble: the part is still incomplete.
            DownloadError: the disk is full, or `fetch` has ended.
        """
        who, had = urlsplit(want.url).netloc, _size(part)
        if had > want.most:
            part.unlink()
            had = 0
        if had == want.size:
            return
        try:
            answer = self.http.get(
                want.url, headers={"Range": f"bytes={had}-"} if had else {}, stream=True, timeout=SILENCE
            )
        except FAILED as error:
            raise self._trouble(error, want.url) from None
        with answer:
            self._check_stop()
            if answer.status_code == 416 and had:
                return  # nothing is missing; otherwise the checksum will differ
            if answer.status_code not in (200, 206):
                raise _refusal(answer, who)
            start = had if answer.status_code == 206 else 0
            length = answer.headers.get("Content-Length", "")
            total = start + int(length) if length.isdigit() else None
            if total is not None and total != (want.size or total):
                raise Trouble(
                    f"{who} offers {total:,} bytes where {want.size:,} are published, so it is another file", False
                )
            self.answers.add(answer)
            try:
                self._write(want, part, answer, start, total or want.size, quiet)
            finally:
                self.answers.discard(answer)

    def _write(
        self, want: Want, part: Path, answer: requests.Response, start: int, whole: int | None, quiet: bool
    ) -> None:
        """Append an answer to the part, or start the part again, block by block."""
        who, done, mark, since = urlsplit(want.url).netloc, start, start, time.monotonic()
        with (
            on_disk(part),
            part.open("ab" if start else "wb") as file,
            tqdm(total=whole, initial=start, desc=part.stem, unit="B", unit_scale=True, leave=False,
                 disable=quiet or None) as bar,
        ):  # fmt: skip
            while block := self._read(answer, want.url):
                self.arrived.set()
                done += len(block)
                if done > want.most:
                    part.unlink()
                    raise Trouble(f"{who} sends more than the file can have", False)
                file.write(block)
                file.flush()
                bar.update(len(block))
                if time.monotonic() - since > WINDOW:
                    if done - mark < LEAST:
                        raise Trouble(f"{who} sends next to nothing")
                    since, mark = time.monotonic(), done
        if done < (whole or done):
            raise Trouble(f"{who} ended after {done:,} of {whole:,} bytes")

    def _read(self, answer: requests.Response, url: str) -> bytes:
        """Returns the bytes that have arrived, at most a block, without waiting for a full one."""
        try:
            block = answer.raw.read1(BLOCK, decode_content=False)
        except FAILED as error:
            raise self._trouble(error, url) from None
        self._check_stop()
        return block

    def _trouble(self, error: BaseException, url: str) -> Trouble:
        """Explain a failed request by its causes: requests and urllib3 wrap what the sockets raised."""
        who, proxy = urlsplit(url).netloc, _proxy(url)
        asked = f"{proxy} (set it right, or unset it)" if proxy else who
        causes = [error]
        while inner := causes[-1].__cause__ or causes[-1].__context__:
            causes.append(inner)
        said = re.sub(r"//[^/@\s]*@", "//", str(causes[-1]).strip())[:120] or type(causes[-1]).__name__
        later = self.arrived.is_set()  # a network that worked before may come back
        if said.startswith("Tunnel connection failed: "):
            said = said.partition(": ")[2]
            text = f"{proxy or 'the proxy'} refuses to connect to {who} ({said}); correct {_proxy_setting()}"
            return Trouble(text, said[:3] in map(str, LATER))
        for kind, text, again in (
            (requests.TooManyRedirects, f"{who} redirects in a circle, or too often", False),
            (ssl.SSLCertVerificationError, f"the certificate of {who} is not trusted ({said}); set this "
             "machine's clock; if your network replaces certificates, name the file of its authority in SSL_CERT_FILE",
             False),
            (socket.gaierror, f"the name of {asked} is not found (is this machine online?)", later),
            (ConnectionRefusedError, f"{asked} refuses the connection", later),
            (TIMES_OUT, f"{asked} has sent nothing for {SILENCE:.0f} s", True),
            (BROKEN, f"the connection to {asked} broke ({said})", True),
        ):  # fmt: skip
            if any(isinstance(cause, kind) for cause in causes):
                return Trouble(text, again)
        return Trouble(f"{asked} cannot be reached ({said})", later)


def _check_redirect(answer: requests.Response, **_: Any) -> None:
    """Refuse redirects away from https. Closes a redirect, as requests would read its body, however long."""
    if answer.is_redirect:
        answer.close()
        to = urljoin(answer.url, answer.headers["location"])
        if urlsplit(to).scheme != "https":
            who = urlsplit(answer.url).netloc
            raise Trouble(f"{who} redirects to {to.split('?')[0][:200]}, which is not https", False)


def _refusal(answer: requests.Response, who: str) -> Trouble:
    """Explain a status other than success."""
    code = answer.status_code
    text = f"{who} {MEANING.get(code, 'has trouble' if code >= 500 else 'gives no file')} ({code})"
    wait = None
    with contextlib.suppress(urllib3.exceptions.InvalidHeader):
        wait = urllib3.Retry().get_retry_after(answer.raw)
    return Trouble(text, code in LATER, wait or 0.0)


def _proxy_setting() -> str:
    """Returns the variable that sets the proxy, or words for the system's settings."""
    return next((name for name in VARIABLES if os.environ.get(name)), "the system's network settings")


def _proxy(url: str) -> str | None:
    """Returns the proxy that requests for `url` use, without its password, and who sets it; None without a proxy."""
    proxy = requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url))
    return f"the proxy {urlsplit(proxy).netloc.rpartition('@')[2]} that {_proxy_setting()} names" if proxy else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
