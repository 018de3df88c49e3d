"""The door to the network: https or nothing, and sentences for machines that are offline or behind a proxy."""

import gc
import socket
import ssl

import pytest

from lcnb.downloads import Session
from lcnb.downloads.https import checked
from lcnb.errors import DownloadError
from tests.downloads.conftest import BODY
from tests.downloads.server import Proxy, Server, answering, doing, running

trust = pytest.mark.trust("downloads")


def wrong(text):
    return pytest.raises(DownloadError, match=text)


@trust
@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_sent_on_to_https(fetching, code):
    """A redirect to another https address is followed, and a fetch that goes on still asks for the rest only"""
    fetching.server.files["/there"] = BODY
    fetching.server.plan["/there"] = [doing(send=100_000)]
    for _ in range(2):
        fetching.plan(*[answering(code, Location=f"{fetching.server.base}/there")] * 2)
    assert fetching() == BODY
    assert fetching.server.requests("/there") == [None, "bytes=100000-"]


@trust
@pytest.mark.parametrize("to", ["http://localhost/file", "//localhost/file", "file:///etc/passwd", "ftp://localhost/x"])
def test_sent_on_to_something_else(fetching, to):
    """A redirect away from https is refused: to http, to a file of this machine, to ftp"""
    secure = to.startswith("//")
    fetching.plan(answering(302, Location=f"http:{to}" if secure else to))
    with wrong("localhost:.* sends on to .*, which is not https"):
        fetching()
    assert len(fetching.ranges) == 1


@trust
def test_sent_on_in_a_circle(fetching):
    """A redirect that leads back to itself, and a chain of redirects that never ends"""
    fetching.plan(*[answering(302, Location=fetching.path)] * 9)
    with wrong("sends on in a circle, or too often"):
        fetching()
    for k in range(9):
        fetching.server.plan[f"/{k}"] = [answering(302, Location=f"/{k + 1}")]
    with wrong("sends on in a circle, or too often"):
        fetching(f"{fetching.server.base}/0")
    fetching.plan(answering(302))
    with wrong("sends on in a circle, or too often|gives no file"):
        fetching()


def test_http_cannot_be_opened_at_all(session):
    with pytest.raises(OSError, match="unknown url type: http"):
        session.opener.open("http://localhost/", {}, 1)


@trust
def test_a_certificate_of_nobody_known(fetching, monkeypatch, tmp_path):
    """A certificate that nobody vouches for: refused at once, with what to do in a company's network"""
    monkeypatch.delenv("SSL_CERT_FILE")
    fetching.session = Session()
    with wrong(r"certificate of localhost:\d+ is not to be trusted \(.*\); set this machine's clock.*SSL_CERT_FILE"):
        fetching()
    assert fetching.ranges == []
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nothing.pem"))
    with wrong("SSL_CERT_FILE is .*nothing.pem, which is no file; name the file of an authority, or unset it"):
        Session()


@trust
def test_a_certificate_of_another_name(fetching, authority):
    """A certificate of another name"""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("example.org").configure_cert(context)
    with running(Server(context)) as other, wrong("is not to be trusted .*'localhost'"):
        fetching(f"{other.base}/file.bin")


@trust
def test_a_server_without_tls(fetching):
    """A server that speaks http where https was asked for"""
    with running(Server(None)) as other:
        other.files["/file.bin"] = BODY
        with wrong("the connection to localhost:.* broke .*3 times in a row"):
            fetching(f"{other.base}/file.bin")


@trust
def test_offline(fetching, monkeypatch):
    """A machine without a network (no name can be looked up): said at once, with what to fetch by hand"""

    def nobody(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    with wrong(
        "the name of localhost:.* is not found \\(is this machine online\\?\\)\\. What has come.*or fetch it by hand"
    ):
        fetching()


def test_a_name_that_does_not_exist(fetching):
    with wrong("the name of nowhere.invalid is not found"):
        fetching("https://nowhere.invalid/file.bin")


@trust
def test_a_network_that_comes_back(fetching, monkeypatch):
    """A network that goes away in the middle and comes back: the fetch goes on"""
    real, calls = socket.getaddrinfo, []

    def sometimes(*args, **options):
        calls.append(args)
        if len(calls) in (2, 3):
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return real(*args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", sometimes)
    fetching.plan(doing(send=100_000))
    assert fetching() == BODY


@trust
def test_nobody_listens(fetching):
    """An address at which nobody listens"""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with wrong(f"localhost:{port} refuses the connection"):
        fetching(f"https://localhost:{port}/file.bin")


@trust
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_through_a_proxy(fetching, monkeypatch, variable):
    """A proxy that is set in the environment is used, with its password, and the certificate is still checked"""
    with running(Proxy("200 Connection established")) as proxy:
        monkeypatch.setenv(variable, f"http://me:secret@{proxy.address}")
        fetching.session = Session()
        assert fetching() == BODY
    assert proxy.log[0][0].startswith(f"CONNECT localhost:{fetching.server.server_port}")
    assert any(line.lower() == "proxy-authorization: basic bwu6c2vjcmv0" for line in proxy.log[0])
    monkeypatch.setenv("NO_PROXY", "localhost")
    fetching.session = Session()
    fetching.target.unlink()
    assert fetching() == BODY


@trust
@pytest.mark.parametrize(
    ("status", "times"), [("403 Forbidden", 1), ("407 Proxy Authentication Required", 1), ("503 Busy", 3)]
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # http.client of 3.11.2, see below
def test_a_proxy_that_refuses(fetching, monkeypatch, status, times):
    """A proxy that refuses or wants a password: the sentence names it and the variable, and never the password"""
    with running(Proxy(status)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:secret@{proxy.address}/")
        fetching.session = Session()
        with wrong(rf"the proxy {proxy.address} that HTTPS_PROXY names refuses to connect to localhost.*{status}") as e:
            fetching()
    assert "secret" not in str(e.value)
    assert len(proxy.log) == times
    gc.collect()  # it forgets to close its end of a refused connection


@trust
def test_a_proxy_that_is_gone(fetching, monkeypatch):
    """A proxy that is not there (any more)"""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    fetching.session = Session()
    with wrong(r"the proxy 127.0.0.1:9 that https_proxy names \(set it right, or unset it\) refuses the connection"):
        fetching()
    monkeypatch.setenv("https_proxy", "http://proxy.invalid:3128")
    fetching.session = Session()
    with wrong(r"the name of the proxy proxy.invalid:3128 that https_proxy names .* is not found"):
        fetching()


@trust
@pytest.mark.parametrize("value", ["socks5://me:secret@h:1", "http://", "http://h:port", "http://h:99999", "::::"])
def test_a_proxy_setting_that_is_none(monkeypatch, value):
    """A proxy setting that is none, or of a kind that cannot be used"""
    monkeypatch.setenv("HTTPS_PROXY", value)
    with wrong("HTTPS_PROXY is .*, which is no http proxy; give http://HOST:PORT or unset it") as caught:
        Session()
    assert "secret" not in str(caught.value)


@trust
@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/x", "ftp://example.org", "example.org/x", "", "https://", "https://user:pw@example.org",
        "https://example.org/?a=b", "https://example.org/#x", "https://exa mple.org", "https://example.org:port/",
        "https://example.org\r\nX: y", "file:///data", "https://[::1",
    ],
)  # fmt: skip
def test_a_mirror_that_is_none(url):
    """A mirror whose address is not https, or is none"""
    with wrong("is no address of a mirror; give one such as https://"):
        checked(url)


def test_a_mirror(session):
    session.mirror = checked("https://example.org:8443/data/")
    assert session.url("https://published/x.tar", "a b/x.tar") == "https://example.org:8443/data/a%20b/x.tar"
