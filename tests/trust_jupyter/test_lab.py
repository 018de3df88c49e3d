"""`make lab` and the kernels of `lcnb run`: on this machine only, with a token, with files that are nobody else's."""

import contextlib
import json
import os
import re
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests.cli.conftest import ROOT, environment, home, lcnb, write_notebook  # noqa: F401
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="needs make, and Unix' permissions"),
]

SPY = """\
import json, os, socket, stat, psutil
from ipykernel.connect import get_connection_file
file = get_connection_file()
found = {
    "listens": [c.laddr.ip for c in psutil.Process().net_connections() if c.status == psutil.CONN_LISTEN],
    "transport": json.load(open(file))["transport"],
    "key": len(json.load(open(file))["key"]),
    "file": stat.S_IMODE(os.stat(file).st_mode),
    "scratch": stat.S_IMODE(os.stat(os.path.dirname(file)).st_mode),
}
print(json.dumps(found))"""


def listening(process):
    """Addresses on which a process or a child of it listens; a child that has ended meanwhile listens no more."""
    found = process.net_connections("inet")
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            found += child.net_connections("inet")
    return {c.laddr.ip for c in found if c.status == psutil.CONN_LISTEN}


class Still(urllib.request.HTTPRedirectHandler):
    """Follows nobody to a page where one may log in."""

    def redirect_request(self, *_):
        """No request."""
        return None


def asked(address, token=None, method="GET", body=None):
    """(status, JSON) of a request."""
    request = urllib.request.Request(address, method=method, data=body)
    if token is not None:
        request.add_header("Authorization", f"token {token}")
    try:
        with urllib.request.build_opener(Still).open(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, None


@pytest.fixture
def lab(tmp_path):
    """(process, address, token, folder of its secrets) of the server that `make lab` starts, without a browser."""
    make = subprocess.run(["make", "-n", "lab"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    words = re.search(r"jupyter lab (.*)", make)[1].split()
    assert not any("token" in word or "password" in word or "origin" in word for word in words)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [f"--port={port}" if word.startswith("--port") else word for word in words]
    folders = {name: str(tmp_path / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "HOME")}
    command = [sys.executable, "-m", "jupyterlab", *words, "--no-browser"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment(**folders), stdout=log, stderr=log)
    about = tmp_path / "jupyter_runtime_dir" / f"jpserver-{process.pid}.json"
    server = psutil.Process(process.pid)

    def there():
        assert process.poll() is None, (tmp_path / "log").read_text()
        return about.exists() and listening(server)

    wait_until(there, 120, f"Lab's start (see {tmp_path / 'log'})")
    said = json.loads(about.read_text())
    yield server, said["url"], said["token"], about
    process.terminate()
    process.wait(timeout=60)


def test_make_lab(lab):
    """`make lab`: server and kernels listen on this machine only; without the token every request is refused"""
    process, url, token, about = lab
    assert len(token) >= 40
    assert stat.S_IMODE(about.stat().st_mode) == 0o600
    requests = ["api/contents", "api/kernels", "api/sessions", "api/terminals", "files/00_quickstart.ipynb", "lab"]
    for path in requests:
        refused = 403 if path.startswith("api") else 302  # to the page that asks for the token
        assert asked(url + path)[0] == refused, path
        assert asked(url + path, "0" * 48)[0] == refused, path
    assert asked(url + "api/kernels", method="POST", body=b"{}")[0] == 403
    code, kernel = asked(url + "api/kernels", token, method="POST", body=b"{}")
    assert code == 201
    wait_until(lambda: process.children(recursive=True) and listening(process), 60, "a kernel")
    time.sleep(2)  # the kernel opens its ports
    assert listening(process) <= {"127.0.0.1", "::1"}
    secret = about.parent / f"kernel-{kernel['id']}.json"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert json.loads(secret.read_text())["ip"] == "127.0.0.1"


def test_the_kernels_of_lcnb_run(home, lcnb):  # noqa: F811
    """Kernels of `lcnb run`: on this machine only, messages signed with a key that nobody else can read"""
    write_notebook(home / "spy.ipynb", SPY)
    assert lcnb("run", "spy.ipynb", "--out", "out")[0] == 0
    cells = json.loads((home / "out" / "spy.ipynb").read_text())["cells"]
    found = json.loads("".join(cells[-1]["outputs"][0]["text"]))
    assert found["transport"] == "ipc" or set(found["listens"]) <= {"127.0.0.1", "::1"}
    assert found["listens"] or found["transport"] == "ipc"
    assert found["key"] >= 32
    assert found["file"] == 0o600
    assert found["scratch"] & 0o077 == 0
    assert not list(Path(ROOT / "notebooks").glob("kernel-*.json"))
