"""What users and machines do to a running download: Ctrl-C, kill -9, a second call, a full disk.

A process of its own is stopped while the server holds back the rest of a file.
"""

import json
import os
import signal
import subprocess
import sys
from errno import EFBIG, ENOSPC

import pytest

from lcnb.errors import REASONS
from tests.cli.conftest import environment
from tests.datasets.download import published
from tests.datasets.download.server import doing, stall
from tests.folders import tree
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(3600)
PATIENCE = 900
"""Seconds until a child counts as hanging; ten are enough on an idle machine."""


@pytest.fixture
def start(server, tmp_path, set_, root):
    """Start the command as a child process."""
    camvid = published.CamVid(server, tmp_path, set_)
    published.voc(server, tmp_path, set_)
    archive = published.sources.SOURCES["voc2012"].archives[0]
    facts = {
        "camvid": {"list": str(camvid.list), "base": camvid.base},
        "voc2012": {"url": archive.url, "size": archive.size, "md5": archive.digest},
    }
    children = []

    def call(name, room=None):
        path = tmp_path / f"facts-{room}.json"
        path.write_text(json.dumps(facts | {"room": room}))
        command = [sys.executable, "-m", "tests.datasets.download.child", str(path), "data", name, "--to", str(root)]
        child = subprocess.Popen(
            command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        children.append(child)
        return child

    yield call
    for child in children:
        child.kill()
        child.communicate()


def ended(child, code):
    """What it printed on standard error."""
    out, err = child.communicate(timeout=PATIENCE)
    assert child.returncode == code, (out, err)
    return err


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
def test_a_stopped_archive_goes_on(start, lcnb, server, root, how):
    """Ctrl-C or kill -9 while an archive comes: other data stays, and the next call asks for the rest only"""
    (root / "weights").mkdir()
    (root / "weights/mine").write_bytes(b"mine")
    part = root / "downloads/voc2012/fetched/VOC.tar.part"
    server.plan["/VOC.tar"] = [doing(send=20_000, then=stall)]
    child = start("voc2012")
    wait_until(lambda: part.exists() and part.stat().st_size == 20_000, PATIENCE)
    child.send_signal(how)
    err = ended(child, 130 if how == signal.SIGINT else -9)
    assert err == ("lcnb: stopped\n" if how == signal.SIGINT else "")
    assert not (root / "voc2012").exists()
    assert lcnb("data", "voc2012")[::2] == (0, "")
    assert server.requests("/VOC.tar") == [None, "bytes=20000-"]
    assert sorted(os.listdir(root)) == ["voc2012", "weights"]
    assert tree(root / "weights") == {"mine": b"mine"}


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
@pytest.mark.parametrize("held", [doing(send=100, then=stall), lambda handler, body: stall(handler)],
                         ids=["half a file", "no answer"])  # fmt: skip
def test_stopped_files_go_on(start, lcnb, server, root, how, held):
    """Ctrl-C or kill -9 while many files come or a server is silent: it ends, old files stay, the rest comes later"""
    assert lcnb("data", "camvid")[::2] == (0, "")
    whole = tree(root)
    victims = [f"val/val_{k:03}.png" for k in range(4)]
    for name in victims:
        (root / "camvid" / name).unlink()
    before = tree(root)
    server.log.clear()
    server.plan[f"/camvid/{victims[2]}"] = [held]
    child = start("camvid")
    stage = root / "downloads/camvid/unpacked/val"
    wait_until(lambda: len(server.log) == 4 and all((stage / f"val_{k:03}.png").exists() for k in (0, 1, 3)), PATIENCE)
    child.send_signal(how)
    assert ended(child, 130 if how == signal.SIGINT else -9) == ("lcnb: stopped\n" if how == signal.SIGINT else "")
    assert {n: c for n, c in tree(root).items() if n.startswith("camvid/")} == before
    assert lcnb("data", "camvid")[::2] == (0, "")
    assert tree(root) == whole
    assert len(server.log) == 5  # the one that stalled was asked for twice


def test_a_second_call_is_refused_while_the_first_one_runs(start, lcnb, server, root):
    """Two calls for one data set at once: the second is refused with a sentence that names the first"""
    server.plan["/VOC.tar"] = [doing(send=20_000, then=stall)]
    first = start("voc2012")
    wait_until((root / "downloads/voc2012/fetched/VOC.tar.part").exists, PATIENCE)
    err = lcnb.refused(
        "data",
        "voc2012",
        words=f"another `lcnb data voc2012` (process {first.pid}) is writing to {root}/downloads/voc2012; wait",
    )
    assert "or give --to another folder" in err
    server.running.clear()
    assert "closed" not in ended(first, 0)
    assert sorted(os.listdir(root)) == ["voc2012"]


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on files there")
@pytest.mark.parametrize("name", ["voc2012", "camvid"])
def test_a_disk_that_fills_up(start, lcnb, root, name):
    """A disk that fills up in the middle: one sentence, no half data set, and the next call goes on"""
    err = ended(start(name, room=1500), 1)
    assert any(f"cannot be written: {REASONS[code]}; what is complete stays" in err for code in (ENOSPC, EFBIG))
    assert err.count("\n") == 1
    assert not (root / name).exists()
    assert lcnb("data", name)[::2] == (0, "")
    assert sorted(os.listdir(root)) == [name]
