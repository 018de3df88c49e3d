"""One file from servers and networks that behave badly: it arrives whole and checked, or a sentence says why not."""

import os
import socket

import pytest

from lcnb.datasets.download import Client
from lcnb.errors import DownloadError
from tests.datasets.download.conftest import BODY
from tests.datasets.download.server import Proxy, Server, answering, doing, reset, running, serve, stall, trickle


def other(handler, body):
    """Another version of the file."""
    serve(handler, bytes(len(body)), send=100_000)


def endless(handler, body):
    """An answer that does not end."""
    handler.send_response(200)
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(bytes(100_000))


def circle(handler, body):
    """A redirect to itself, with a body that does not end."""
    handler.send_response(302)
    handler.send_header("Location", handler.path)
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(bytes(100_000))


def nonsense(handler, body):
    """No HTTP."""
    handler.wfile.write(b"HELLO\r\n\r\n")
    handler.close_connection = True


HALF = {
    "closes": doing(send=100_000),
    "resets": doing(send=100_000, then=reset),
    "stalls": doing(send=100_000, then=stall),
}


@pytest.mark.parametrize(
    ("actions", "ranges"),
    [
        *(([act, act], [None, "100000", "200000"]) for act in HALF.values()),
        ([HALF["closes"], doing(ranges=False)], [None, "100000"]),
        ([other], [None, "100000", None]),
        ([answering(503), answering(429, Retry_After="0"), doing(send=100_000)], [None, None, None, "100000"]),
        ([answering(503, Retry_After="soon")], [None, None]),
        ([nonsense], [None, None]),
    ],
    ids=[*HALF, "no ranges", "file changes", "busy", "nonsense to wait for", "no http"],
)
def test_it_arrives_whole(fetching, tmp_path, actions, ranges):
    """A server that cuts, resets, stalls, is busy, ignores ranges, or replaces the file halfway: it arrives whole"""
    assert fetching(*actions) == BODY
    asked = [value and value[6:-1] for value in fetching.ranges]
    assert [value is None for value in asked] == [value is None for value in ranges]
    for got, most in zip(asked, ranges, strict=True):  # a broken connection may lose what was under way
        assert most is None or int(most) - 60_000 < int(got) <= int(most)
    assert os.listdir(tmp_path) == ["file.bin"]


@pytest.mark.parametrize(
    ("action", "text", "tries"),
    [
        (answering(401), r"^localhost:\d+ wants a login \(401\).*or fetch it by hand$", 1),
        (answering(403), r"refuses it \(403\)", 1),
        (answering(404), r"no longer has it \(404\)", 1),
        (answering(204), r"gives no file \(204\)", 1),
        (answering(302), r"gives no file \(302\)", 1),
        (answering(503), r"has trouble \(503\), 3 times in a row", 3),
        (answering(429, Retry_After="3600"), r"too many requests from here \(429\); it asks to wait 3600 s\. What has", 1),  # noqa: E501
        (answering(302, Location="http://localhost/x"), "localhost:.* redirects to http://localhost/x, which is not https", 1),  # noqa: E501
        (answering(302, Location="file:///etc/passwd"), "redirects to file:///etc/passwd, which is not https", 1),
        (circle, "redirects in a circle, or too often", 6),
        (lambda handler, body: stall(handler), "localhost:.* has sent nothing for 1 s, 3 times in a row", 3),
        (doing(length=len(BODY), send=10, then=trickle), "sends next to nothing, 3 times in a row", 3),
        (doing(send=10, then=reset), r"the connection to localhost:\d+ broke \(.*\), 3 times in a row\. What has come stays", 3),  # noqa: E501
        (nonsense, "the connection to localhost:.* broke", 3),
        (endless, "sends more than the file can have", 1),
        (doing(length=310_000, ranges=False), "broke .*10000 more expected", 3),
        (doing(length=1000, ranges=False), "not the published file .sha256 .* instead of .*; it was not kept", 1),
        (lambda handler, body: serve(handler, b"Welcome! Please log in"), "offers 22 bytes where 300,000 are published", 1),  # noqa: E501
    ],
)  # fmt: skip
def test_it_is_refused_with_a_sentence(fetching, action, text, tries):
    """A server that refuses, trickles, never answers or never ends, leaves https, or has another file: one sentence"""
    size = len(BODY) if "offers" in text else None
    with pytest.raises(DownloadError, match=text):
        fetching(*[action] * 9, size=size)
    assert len(fetching.ranges) == tries or "expected" in text
    assert not fetching.target.exists()
    if "stays" in text:
        assert fetching() == BODY  # built on what came before


@pytest.mark.parametrize("old", [bytes(1000), BODY, BODY + b"more", bytes(500_000), b""])
def test_an_old_part_that_may_not_belong(fetching, old):
    """A partial file with a wrong beginning, already whole, too long or empty: found by its checksum, fetched anew"""
    fetching.part.write_bytes(old)
    assert fetching() == BODY
    assert not fetching.part.exists()


def test_a_redirect_to_https_is_followed_and_resumed(fetching):
    fetching.server.files["/there"] = BODY
    fetching.server.plan["/there"] = [doing(send=100_000)]
    assert fetching(*[answering(302, Location=f"{fetching.server.base}/there")] * 2) == BODY
    assert fetching.server.requests("/there") == [None, "bytes=100000-"]


def test_certificates(fetching, monkeypatch, tmp_path):
    """A certificate of an unknown authority, an SSL_CERT_FILE that does not exist, a server without TLS"""
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(DownloadError, match=r"certificate of localhost:\d+ is not trusted \(.*\); .*SSL_CERT_FILE"):
        fetching()
    assert fetching.ranges == []
    with running(Server(None)) as plain, pytest.raises(DownloadError, match=r"connection to localhost:\d+ broke"):
        fetching(path=f"{plain.base}/file.bin")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nothing.pem"))
    with pytest.raises(
        DownloadError, match=r"SSL_CERT_FILE is .*nothing\.pem, which is no file; name the file of an auth"
    ):
        Client()


def test_offline(fetching, monkeypatch):
    """No network: said at once; one that goes away in the middle and comes back: the fetch goes on"""
    real, answers = socket.getaddrinfo, [False, True, False, False, True]

    def sometimes(*arguments, **options):
        if not answers.pop(0):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(*arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", sometimes)
    with pytest.raises(
        DownloadError, match=r"the name of localhost:\d+ is not found \(is this machine online\?\)\. What"
    ):
        fetching()
    assert fetching(doing(send=100_000)) == BODY
    monkeypatch.setattr(socket, "getaddrinfo", real)
    with pytest.raises(DownloadError, match=r"localhost:9 refuses the connection\."):
        fetching(path="https://localhost:9/file.bin")


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ("200 Connection established", ""),
        ("403 Forbidden", "the proxy {} that HTTPS_PROXY names refuses to connect to localhost.* .403 Forbidden.; correct"),  # noqa: E501
        (None, "the proxy 127.0.0.1:9 that HTTPS_PROXY names .set it right, or unset it. refuses the connection"),
        ("socks5", "the proxy {} that HTTPS_PROXY names .set it right, or unset it. cannot be reached .*SOCKS"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # http.client forgets a refused socket
def test_through_a_proxy(fetching, monkeypatch, status, text):
    """A proxy that works, refuses, is gone or of another kind: the sentence names it, its variable, not its password"""
    with running(Proxy(status or "")) as proxy:
        address = proxy.address if status else "127.0.0.1:9"
        monkeypatch.setenv("HTTPS_PROXY", f"{'socks5' if status == 'socks5' else 'http'}://me:secret@{address}")
        if not text:
            assert fetching() == BODY
            assert proxy.log[0][0].startswith(f"CONNECT localhost:{fetching.server.server_port}")
            return
        with pytest.raises(DownloadError, match=text.format(address)) as caught:
            fetching()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://example.org/x", "example.org/x", "https://user:pw@example.org", "https://example.org/?a=b",
            "https://exa mple.org", "https://example.org\r\nX: y", "file:///data"],
)  # fmt: skip
def test_a_mirror_that_is_none(url):
    """A mirror whose address is not https, or is none"""
    with pytest.raises(DownloadError, match="is no address of a mirror; give one such as https://"):
        Client(url)
    assert Client("https://example.org:8443/d/").url("", "a b/x.tar") == "https://example.org:8443/d/a%20b/x.tar"
