"""One writer a folder, and nothing stale after whatever end."""

import errno
import os
import re
import signal
import subprocess
import sys
import threading

import pytest

from lcnb import locking
from lcnb.locking import LOCK, LockError, locked
from tests.cli.conftest import environment

HOLD = """
import sys, time
from lcnb.locking import locked
with locked(sys.argv[1], "lcnb run"):
    print("held", flush=True)
    {}
"""
COUNT = """
import sys, time
from pathlib import Path
from lcnb.locking import LockError, locked
done = 0
while done < 25:
    try:
        with locked(sys.argv[1], "count"):
            file = Path(sys.argv[2])
            value = int(file.read_text())
            time.sleep(0.0005)
            file.write_text(str(value + 1))
            done += 1
    except LockError:
        pass
"""


def holder(folder, code="time.sleep(60)"):
    """A process that holds the folder; it has it when this returns."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD.format(code), str(folder)], env=environment(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    return process


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "out"


def test_the_second_is_told_who_writes_there(folder):
    """A second process that would write to the same folder"""
    with holder(folder) as first:
        text = (
            rf"another `lcnb run` \(process {first.pid}\) is writing to {re.escape(str(folder))}; "
            "wait for it, or give --out another folder$"
        )
        with pytest.raises(LockError, match=text), locked(folder, "lcnb run"):
            pytest.fail("both are in")
        first.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_lock_ends_with_its_process(folder, number):
    """A process that was killed while it held a folder: nothing stale stays"""
    with holder(folder) as first:
        first.send_signal(number)
    with locked(folder, "lcnb run"):
        assert (folder / LOCK).read_text().splitlines() == [str(os.getpid()), "lcnb run"]
    assert not folder.exists() or list(folder.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows does not fork")
def test_a_forked_child_does_not_keep_it(folder):
    code = "import os; os.fork() or print(os.getpid(), flush=True); time.sleep(60)"
    with holder(folder, code) as first:
        child = int(first.stdout.readline())
        first.kill()
        first.wait()
        os.kill(child, 0)  # still there
        with locked(folder, "lcnb run"):
            os.kill(child, signal.SIGKILL)


def test_the_same_thread_may_hold_it_twice_another_may_not(folder):
    found = []

    def other():
        try:
            with locked(folder, "other"):
                found.append("in")
        except LockError as error:
            found.append(str(error))

    with locked(folder, "one"):
        with locked(folder, "again"), locked(folder / "below", "one"):
            pass
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        (folder / "kept").touch()
    assert found[0].startswith(f"another `one` (process {os.getpid()})")
    assert [p.name for p in folder.iterdir()] == ["kept"]


def test_nothing_is_left_of_a_block_that_failed(folder):
    with pytest.raises(KeyError), locked(folder, "one"):
        raise KeyError
    assert not folder.exists()


@pytest.mark.parametrize("content", ["", "1", "rubbish\nand\nmore", "\x00\xff"])
def test_a_lock_file_that_nobody_holds_means_nothing(folder, content):
    folder.mkdir()
    (folder / LOCK).write_text(content, encoding="latin-1")
    with locked(folder, "one"):
        assert (folder / LOCK).read_text().splitlines() == [str(os.getpid()), "one"]
    assert list(folder.iterdir()) == []


def test_many_at_once_never_share_it(folder, tmp_path):
    file = tmp_path / "count"
    file.write_text("0")
    env = environment()
    many = [subprocess.Popen([sys.executable, "-c", COUNT, str(folder), str(file)], env=env) for _ in range(4)]
    assert [process.wait(timeout=60) for process in many] == [0] * 4
    assert file.read_text() == "100"


@pytest.mark.parametrize("call", ["mkdir", "open"])
@pytest.mark.parametrize("error", [FileNotFoundError, FileExistsError])
def test_a_folder_that_others_remove_and_make_again_is_tried_again(folder, monkeypatch, call, error):
    """Both orders of removing and making, before and after each of the calls that meet them."""
    real, tries = getattr(os, call), []

    def meanwhile(path, *rest):
        tries.append(path)
        if len(tries) < 3:
            raise error(errno.ENOENT, "somebody was faster", str(path))
        return real(path, *rest)

    monkeypatch.setattr(os, call, meanwhile)
    with locked(folder, "one"):
        assert (folder / LOCK).is_file()
    assert len(tries) >= 3


def test_a_folder_that_can_never_be_made_is_named(folder, monkeypatch):
    """A drive that is not there says the same as a folder that was just removed: it is not tried for ever."""

    def never(path, *_):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(path))

    monkeypatch.setattr(os, "mkdir", never)
    with pytest.raises(FileNotFoundError) as caught, locked(folder, "one"):
        pytest.fail("nothing was made")
    assert caught.value.filename == str(folder)


def test_a_file_system_without_locks_stops_nobody(folder, monkeypatch):
    def none(*_):
        raise OSError(errno.EOPNOTSUPP, "no locks here")

    monkeypatch.setattr(locking.fcntl, "flock", none)
    with locked(folder, "one"):
        assert (folder / LOCK).exists()


def test_a_file_where_the_folder_should_be_is_named(folder):
    folder.write_text("a file")
    with pytest.raises(OSError, match=re.escape(str(folder))) as caught, locked(folder, "one"):
        pytest.fail("it is a file")
    assert caught.value.filename == str(folder)
