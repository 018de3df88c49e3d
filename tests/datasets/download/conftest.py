"""A certificate authority, an https server of this machine, a client that trusts it and loses patience soon."""

import hashlib
import os
import ssl

import pytest
import trustme

from lcnb.datasets.download import Client, fetch
from tests.cli.conftest import Command
from tests.datasets.download.server import Server, running

HASTY = {"SILENCE": 1.0, "WINDOW": 0.3, "LEAST": 2000, "TRIES": 3, "PAUSE": 0.01, "LONGEST": 0.2}


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
    """The authority is trusted, no proxy is set, and the waits are short."""
    for name in (*fetch.VARIABLES, "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority_file))
    for name, value in HASTY.items():
        monkeypatch.setattr(fetch, name, value)


@pytest.fixture
def server(tls):
    """Serves over https."""
    with running(Server(tls)) as one:
        yield one


BODY = os.urandom(300_000)


class Fetching:
    """One file on the server, and the fetching of it."""

    def __init__(self, server, folder):
        self.server, self.target = server, folder / "file.bin"
        self.part = folder / "file.bin.part"
        server.files["/file.bin"] = BODY

    def __call__(self, *actions, path="/file.bin", size=None):
        """Fetch it from a server that does these things with the next requests."""
        self.server.plan["/file.bin"] = list(actions)
        url = path if "://" in path else self.server.base + path
        digest = f"sha256:{hashlib.sha256(BODY).hexdigest()}"
        want = fetch.Want(url, size, 400_000, digest, "fetch it by hand")
        Client().fetch(self.target.name, [(want, self.target)])
        return self.target.read_bytes()

    @property
    def ranges(self):
        """Asked for so far."""
        return self.server.requests("/file.bin")


@pytest.fixture
def fetching(server, tmp_path):
    """Of BODY."""
    return Fetching(server, tmp_path)


@pytest.fixture
def set_(monkeypatch):
    """Sets an attribute, or an entry of a dictionary, for this test."""

    def change(where, name, value):
        (monkeypatch.setitem if isinstance(where, dict) else monkeypatch.setattr)(where, name, value)

    return change


@pytest.fixture
def lcnb(root, capsys):
    """The command, with an empty data root."""
    return Command(capsys)
