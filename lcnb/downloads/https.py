"""The one door to the network: https, certificates checked, at most five times sent on, and only to https again.

Python's own urllib is enough for it, and the package needs no further one. The opener is put together by hand: what
urllib would add by itself (http, ftp, files, authentication) is not there, so no redirect can reach it.
"""

from __future__ import annotations

import http.client
import os
import ssl
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

from lcnb import __version__
from lcnb.errors import DownloadError
from lcnb.paths import REPOSITORY

VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
"""In the order in which they count."""


class Opener:
    """Opens addresses. `SSL_CERT_FILE` may name further authorities, `HTTPS_PROXY` and `NO_PROXY` a way out."""

    def __init__(self) -> None:
        proxies = urllib.request.getproxies()
        proxy = proxies.get("https") or proxies.get("all")
        if proxy:
            _check_proxy(proxy)
        _check_authority()
        self.proxy = proxy
        self.opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler({"https": proxy} if proxy else {}),
            urllib.request.HTTPSHandler(context=ssl.create_default_context()),
            urllib.request.HTTPErrorProcessor(),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.UnknownHandler(),
            _HttpsAgain(),
        ):
            self.opener.add_handler(handler)

    def open(self, url: str, headers: Mapping[str, str], timeout: float) -> http.client.HTTPResponse:
        """Send a GET; the answer's head has come, its body is to be read. Whatever urllib raises."""
        agent = f"lcnb/{__version__}" + (f" (+{REPOSITORY})" if REPOSITORY else "")
        request = urllib.request.Request(url, headers={"User-Agent": agent, "Accept-Encoding": "identity", **headers})
        return self.opener.open(request, timeout=timeout)

    def through(self, url: str) -> str | None:
        """The proxy that a request goes through, named for a sentence without its password, or None."""
        if not self.proxy or urllib.request.proxy_bypass(urlsplit(url).hostname or ""):
            return None
        return f"the proxy {address(self.proxy)} that {proxy_setting()} names"


class _HttpsAgain(urllib.request.HTTPRedirectHandler):
    max_redirections = 5
    max_repeats = 2

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        to = urljoin(req.full_url, headers.get("location", ""))
        if urlsplit(to).scheme != "https":
            raise DownloadError(f"{host(req.full_url)} sends on to {to.split('?')[0][:200]}, which is not https")
        fp.close()  # or urllib would read its body, however long
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def checked(url: str) -> str:
    """An address given by a person, without its last slash.

    Raises:
        DownloadError: it is not https, or holds what no mirror's address does.
    """
    try:
        parts = urlsplit(url)
        fits = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0 and url.isascii()
    except ValueError:
        fits = False
    if not fits or parts.query or parts.fragment or parts.username or any(c.isspace() for c in url):
        raise DownloadError(f"{url!r} is no address of a mirror; give one such as https://example.org/data")
    return url.rstrip("/")


def host(url: str) -> str:
    """Who is asked."""
    return urlsplit(url).netloc.rpartition("@")[2]


def proxy_setting() -> str:
    """Where the proxy's address comes from."""
    return next((name for name in VARIABLES if os.environ.get(name)), "the system's network settings")


def address(proxy: str) -> str:
    """Host and port, without a password."""
    return proxy.rpartition("://")[2].rpartition("@")[2].rstrip("/")


def _check_authority() -> None:
    """OpenSSL says nothing about a file that is not there, and trusts nobody."""
    file = os.environ.get("SSL_CERT_FILE")
    if file and not os.path.isfile(file):
        raise DownloadError(f"SSL_CERT_FILE is {file}, which is no file; name the file of an authority, or unset it")


def _check_proxy(proxy: str) -> None:
    scheme = proxy.partition("://")[0].lower() if "://" in proxy else "http"
    try:
        parts = urlsplit(f"//{address(proxy)}")
        fits = scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        fits = False
    if not fits:
        shown = f"{scheme}://{address(proxy)}"
        raise DownloadError(f"{proxy_setting()} is {shown}, which is no http proxy; give http://HOST:PORT or unset it")
