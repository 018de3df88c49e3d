"""A certificate authority, an https server of this machine, a session that trusts it and loses patience soon."""

import hashlib
import os
import ssl

import pytest
import trustme

from lcnb.downloads import Patience, Session
from lcnb.downloads.https import VARIABLES
from lcnb.downloads.transfer import Want, fetch
from tests.cli.conftest import in_process
from tests.downloads.server import Server, running

HASTY = Patience(silence=0.5, window=0.3, least=2000, tries=3, worth=10_000, pause=0.01, longest=0.2)


@pytest.fixture(scope="session")
def authority():
    """Signs certificates."""
    return trustme.CA()


@pytest.fixture(scope="session")
def authority_file(authority, tmp_path_factory):
    """Its certificate, as SSL_CERT_FILE names it."""
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture(scope="session")
def tls(authority):
    """Of a server called localhost."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture(autouse=True)
def network(authority_file, monkeypatch):
    """The authority is trusted, no proxy is set, and nobody waits long."""
    for name in (*VARIABLES, "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority_file))
    monkeypatch.setattr("lcnb.downloads.transfer.PATIENCE", HASTY)


@pytest.fixture
def server(tls):
    """Serves over https."""
    with running(Server(tls)) as one:
        yield one


@pytest.fixture
def said():
    """What a session told."""
    return []


@pytest.fixture
def session(network, said):
    """Of one call."""
    return Session(say=said.append, pausing=said.append)


BODY = os.urandom(300_000)


class Fetching:
    """One file on the server, and the fetching of it."""

    def __init__(self, server, session, folder):
        self.server, self.session, self.target = server, session, folder / "file.bin"
        self.part = folder / "file.bin.part"
        self.path = "/file.bin"
        server.files[self.path] = BODY

    def plan(self, *actions):
        """What the server does with the next requests."""
        self.server.plan[self.path] = list(actions)

    def __call__(self, url=None, size=None, most=400_000, digest=None):
        digest = f"sha256:{hashlib.sha256(BODY).hexdigest()}" if digest is None else digest
        want = Want(url or self.server.base + self.path, size, most, digest, "fetch it by hand")
        fetch(self.session, want, self.target)
        return self.target.read_bytes()

    @property
    def ranges(self):
        """Asked for so far."""
        return self.server.requests(self.path)


@pytest.fixture
def fetching(server, session, tmp_path):
    """Of BODY."""
    return Fetching(server, session, tmp_path)


@pytest.fixture
def set_(monkeypatch):
    """Sets an attribute, or an entry of a dictionary, for this test."""

    def change(where, name, value):
        (monkeypatch.setitem if isinstance(where, dict) else monkeypatch.setattr)(where, name, value)

    return change


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An empty data root, where lcnb looks first; nothing else is in reach."""
    folder = tmp_path / "root"
    folder.mkdir()
    monkeypatch.chdir(folder.parent)
    monkeypatch.setattr("lcnb.paths.checkout", lambda: None)
    monkeypatch.setenv("LCNB_DATA", str(folder))
    return folder


@pytest.fixture
def lcnb(root, capsys):
    """Run the command in this process; returns (exit code, stdout, stderr)."""
    return in_process(capsys)
