"""What went wrong on the way, as half a sentence, and whether trying again can help."""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
import time
from email.utils import parsedate_to_datetime
from urllib.error import HTTPError, URLError

from lcnb.downloads.https import Opener, host, proxy_setting

LATER = {408, 425, 429, 500, 502, 503, 504}
"""Answers that mean: not now."""
MEANING = {
    401: "wants a login",
    403: "refuses it",
    404: "no longer has it",
    407: "wants a login",
    410: "no longer has it",
    429: "has had too many requests from here",
    451: "may not give it out here",
}
AWAY = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN}
BROKEN = (ConnectionError, http.client.HTTPException, ssl.SSLError)


class Trouble(Exception):
    """A try that failed.

    Attributes:
        again: "yes", "no", or "later": once something has come (a network that was there and went away).
        wait: seconds that the server asks for, or None.
    """

    def __init__(self, text: str, again: str = "yes", wait: float | None = None):
        super().__init__(text)
        self.again, self.wait = again, wait


def trouble(error: Exception, url: str, opener: Opener) -> Trouble:
    """Make sense of what urllib, http.client, ssl and the sockets raise."""
    who, proxy = host(url), opener.through(url)
    if isinstance(error, HTTPError):
        return _answered(error, who)
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _untrusted(cause, who)
    if str(cause).startswith("Tunnel connection failed"):
        said = str(cause).partition(":")[2].strip()
        kind = "yes" if said.split(" ")[0] in map(str, LATER) else "no"
        return Trouble(f"{proxy or 'the proxy'} refuses to connect to {who} ({said}); correct {proxy_setting()}", kind)
    asked = f"{proxy} (set it right, or unset it)" if proxy else who
    if isinstance(cause, TimeoutError):
        return Trouble(f"{asked} does not answer")
    if isinstance(cause, socket.gaierror):
        return Trouble(f"the name of {asked} is not found (is this machine online?)", "later")
    if isinstance(cause, ConnectionRefusedError):
        return Trouble(f"{asked} refuses the connection", "later")
    if isinstance(cause, OSError) and cause.errno in AWAY:
        return Trouble(f"{asked} is out of reach (is this machine online?)", "later")
    if isinstance(cause, BROKEN):
        return Trouble(f"the connection to {asked} broke ({_short(cause)})")
    return Trouble(f"{asked} cannot be asked ({_short(cause)})", "no")


def _answered(error: HTTPError, who: str) -> Trouble:
    error.close()
    if 300 <= error.code < 400:
        return Trouble(f"{who} sends on in a circle, or too often", "no")
    text = f"{who} {MEANING.get(error.code, 'has trouble' if error.code >= 500 else 'gives no file')} ({error.code})"
    return Trouble(text, "yes" if error.code in LATER else "no", _seconds(error.headers.get("Retry-After")))


def _untrusted(error: ssl.SSLCertVerificationError, who: str) -> Trouble:
    return Trouble(
        f"the certificate of {who} is not to be trusted ({error.verify_message}); set this machine's clock; on "
        "macOS run Python's `Install Certificates.command`; if your network replaces certificates, name the file of "
        "its authority in SSL_CERT_FILE",
        "no",
    )


def _seconds(text: str | None) -> float | None:
    """Retry-After: seconds, or a date."""
    if text is None:
        return None
    if text.strip().isdigit():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
        return max(0.0, at.timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def _short(error: object) -> str:
    text = str(error).strip() or type(error).__name__
    return text if len(text) <= 120 else text[:117] + "..."
