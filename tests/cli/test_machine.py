"""Provenance says what counts and names no person or folder."""

import datetime
import getpass
import json
import platform
import re
import socket
import sys
from pathlib import Path

import pytest
import torch

from lcnb import machine


def test_machine_is_complete_and_public():
    found = machine.machine()
    assert found["torch"] == torch.__version__
    assert found["threads"] == torch.get_num_threads()
    assert found["cores"] >= 1
    assert found["cpu"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", found["date"])
    assert abs((datetime.date.fromisoformat(found["date"]) - datetime.datetime.now(datetime.UTC).date()).days) <= 1
    text = json.dumps(found)
    for private in (socket.gethostname(), f"/{getpass.getuser()}", str(Path.home())):
        assert private not in text


def test_without_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    found = machine.machine()
    assert (found["torch"], found["threads"], found["gpu"]) == (None, None, None)
    assert found["cpu"]


@pytest.mark.parametrize("system", ["Linux", "Darwin", "Windows", "Plan 9"])
def test_cpu_on_any_system(monkeypatch, system):
    monkeypatch.setattr(platform, "system", lambda: system)
    assert machine.cpu_model()


def test_versions():
    assert torch.__version__.startswith(machine.version("torch"))
    assert machine.version("no-such-package") is None
    assert set(machine.versions()) == set(machine.PACKAGES)


def test_command_hides_folders(home):
    given = ["eval", "--json", str(home / "out" / "x.json"), "--weights", "/srv/private/w", "a b", "--rho", "0.5"]
    assert machine.command(given) == "lcnb eval --json out/x.json --weights w 'a b' --rho 0.5"
