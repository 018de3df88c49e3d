"""Notebooks really executed: one run over some that work, fail, name paths and die, and runs that are stopped."""

import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from lcnb.locking import LOCK
from lcnb.running import execute, find
from tests.cli.conftest import ROOT, environment, spawn, write_notebook
from tests.waiting import ended, wait_until

OK = [
    "import json\nprint(json.dumps([rho, seed, dataset]))\nblock = b'x' * 200_000_000",
    "from PIL import Image\nImage.new('RGB', (64, 32), 'red')",
    "import atexit, time\natexit.register(lambda: (b'x' * 600_000_000, time.sleep(0.5)))\nNone",
]
FAIL = ["def f():\n    raise ValueError('no such class')\n\nf()\nprint('after')", "print('never')"]
LIBRARY = ["import json\njson.loads('x')"]
PATHS = [
    "import importlib.util, os, sys, tempfile, warnings\nfrom pathlib import Path\nfrom IPython.display import HTML\n"
    "print(os.getcwd(), Path.home() / 'x', sys.prefix, sys.executable)\n"
    "print(tempfile.gettempdir(), os.environ['LCNB_DATA'])\n"
    "print(importlib.util.find_spec('lcnb').origin)\nwarnings.warn('from a cell')\nHTML(f'<b>{sys.prefix}</b>')",
    "import os\nprint('spins', os.environ.get('GOMP_SPINCOUNT'))\nPath.cwd()",
]
DIE = ["import os\nos._exit(3)"]
SLEEP = ["import os, time\nwith open('pid', 'w') as file:\n    file.write(str(os.getpid()))\ntime.sleep(1000)"]
BOOKS = {"00_ok": OK, "01_same": OK, "02_fail": FAIL, "03_library": LIBRARY, "04_paths": PATHS, "05_die": DIE}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """(folder, finished process) of one run over all of BOOKS, in the folder above their own."""
    folder = tmp_path_factory.mktemp("run")
    for name, cells in BOOKS.items():
        write_notebook(folder / "books" / f"{name}.ipynb", *cells, title=f"About {name}")
    (folder / "data").mkdir()
    arguments = ["run", "books", "--rho", "0.5", "-p", "seed=3", "--out", "out"]
    return folder, spawn(*arguments, cwd=folder, LCNB_DATA="data")


def result(ran, name):
    return json.loads((ran[0] / "out" / f"{name}.ipynb").read_text(encoding="utf-8"))


def record(ran):
    found = json.loads((ran[0] / "out" / "run.json").read_text(encoding="utf-8"))["notebooks"]
    return {e["name"]: e for e in found}


def text_of(content):
    return "".join("".join(o.get("text", "")) for c in content["cells"] for o in c.get("outputs", []))


def test_all_run_and_the_exit_code_tells_that_some_failed(ran):
    assert ran[1].returncode == 1
    assert {n: e["ok"] for n, e in record(ran).items()} == {n: n in ("00_ok", "01_same", "04_paths") for n in BOOKS}


def test_the_log_has_one_line_a_notebook_and_a_table(ran):
    out = ran[1].stdout
    lines = [line for line in out.splitlines() if re.match(r"\d\d_\w+: (ok|FAILED) after [\d.]+ s$", line)]
    assert len(lines) == len(BOOKS)
    assert "\r" not in out + ran[1].stderr
    table = out[out.index("notebook ") :]
    assert re.search(r"^00_ok +[\d.]+ +\d+  yes$", table, re.MULTILINE)
    assert re.search(r"^02_fail +[\d.]+ +\d+  no \(error\)$", table, re.MULTILINE)
    assert re.search(r"^05_die +[\d.]+ +\d+  no \(crash\)$", table, re.MULTILINE)


def test_a_failure_shows_its_cell_and_error_and_no_internals(ran):
    said = ran[1].stderr
    assert "02_fail, cell [3]: ValueError: no such class\n    1 | def f():" in said
    assert ">   4 | f()" in said
    assert "03_library, cell [3]: JSONDecodeError: Expecting value: line 1 column 1 (char 0)" in said
    assert "05_die, cell [3]: the kernel died" in said
    assert "Traceback" not in said
    assert "papermill" not in said
    assert "print('never')" not in said


def test_parameters_arrive_with_their_types(ran):
    assert text_of(result(ran, "00_ok")) == '[0.5, 3, "streets"]\n'
    assert record(ran)["00_ok"]["parameters"]["rho"] == 0.5
    assert record(ran)["00_ok"]["parameters"]["profile"] == "quick"


def test_peak_memory_is_that_of_the_kernel_while_cells_ran(ran):
    assert 200 < record(ran)["00_ok"]["peak_mb"] < 500
    assert 20 < record(ran)["04_paths"]["peak_mb"] < 180


def test_two_runs_give_the_same_file(ran):
    """A notebook that runs twice gives the same file"""
    one, two = ((ran[0] / "out" / f"{n}.ipynb").read_bytes() for n in ("00_ok", "01_same"))
    assert one.replace(b"00_ok", b"01_same") == two


def test_no_path_of_this_machine_is_left(ran):
    places = {str(ran[0]), str(ROOT), str(Path.home()), sys.prefix, sys.executable, tempfile.gettempdir()}
    pattern = re.compile("|".join(rf"(?<!\w){re.escape(p)}(?!\w)" for p in places))
    written = [p for p in (ran[0] / "out").rglob("*") if p.is_file()]
    assert len(written) == 2 * len(BOOKS) + 2
    for path in written:
        found = pattern.search(path.read_text(encoding="utf-8"))
        assert found is None, f"{path.name}: {found}"
    assert "$LCNB_DATA" in text_of(result(ran, "04_paths"))
    assert "<cell>:" in text_of(result(ran, "04_paths"))


def test_no_times_are_left(ran):
    text = json.dumps([result(ran, name) for name in BOOKS])
    for word in ("start_time", "duration", "iopub", "input_path", "output_path"):
        assert word not in text


def test_the_kernel_is_quiet_and_works_beside_its_notebook(ran):
    cells = result(ran, "04_paths")["cells"]
    assert text_of(result(ran, "04_paths")).startswith(". ~/x $PREFIX")
    assert cells[-1]["outputs"][0]["text"] == [f"spins {os.environ.get('GOMP_SPINCOUNT', '1000')}\n"]


def test_pages_and_index(ran):
    index = (ran[0] / "out" / "index.html").read_text(encoding="utf-8")
    for name in BOOKS:
        assert f"About {name}" in index
        assert "About" in (ran[0] / "out" / f"{name}.html").read_text(encoding="utf-8")
    assert index.count("data:image/webp") == 2
    assert "failed: ValueError: no such class" in index


def wait_for_the_end_of_the_kernel(folder):
    pid = int((folder / "pid").read_text())
    wait_until(lambda: ended(pid), what=f"the end of process {pid}")


@pytest.fixture
def adopting():
    """Orphans become this process's children, as they become a desktop session's: no kernel sees a parent of 1."""
    if not sys.platform.startswith("linux"):
        yield
        return
    ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
    yield
    ctypes.CDLL(None).prctl(36, 0)


def test_the_time_limit_is_for_the_whole_notebook_and_ends_the_kernel(tmp_path):
    """A notebook that takes longer than its time: ended, kernel and all, with what it had done"""
    path = write_notebook(tmp_path / "sleep.ipynb", "print('begun')", *SLEEP)
    seen = []
    outcome = execute(find([str(path)])[0], {}, 20, lambda cell, cells, seconds: seen.append((cell, cells)))
    assert outcome.failure.kind == "timeout"
    assert outcome.failure.message == "not done after 20 s"
    assert 20 <= outcome.seconds < 35
    if (tmp_path / "pid").exists():  # not on a machine so slow that the kernel had not started yet
        wait_for_the_end_of_the_kernel(tmp_path)
        assert outcome.failure.cell == 3
        assert outcome.failure.code == SLEEP[0]
        assert seen[-1] == (4, 4)
        assert text_of(outcome.content) == "begun\n"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_a_stopped_run_leaves_no_kernel(tmp_path, number, code, adopting):
    """`lcnb run` stopped by Ctrl-C, `kill`, a closed terminal or `kill -9`: no kernel and no file is left"""
    (tmp_path / "tmp").mkdir()
    write_notebook(tmp_path / "sleep.ipynb", *SLEEP)
    command = [sys.executable, "-m", "lcnb", "run", "sleep.ipynb"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    env = environment(TMPDIR=str(tmp_path / "tmp"))
    with subprocess.Popen(command, cwd=tmp_path, env=env, text=True, **pipes) as process:
        pid = tmp_path / "pid"
        wait_until(lambda: process.poll() is not None or (pid.exists() and pid.read_text()), 120, "the kernel's start")
        process.send_signal(number)
        _, error = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in error
    wait_for_the_end_of_the_kernel(tmp_path)
    wait_until(lambda: not list((tmp_path / "tmp").iterdir()), what="the removal of temporary files")
    assert {p.name for p in (tmp_path / "build" / "notebooks").glob("*")} <= {LOCK}


def test_a_kernel_ends_though_its_runner_died(tmp_path, adopting):
    """The process between `lcnb run` and a kernel killed with -9: the run says so, and the kernel is ended"""
    path = write_notebook(tmp_path / "sleep.ipynb", *SLEEP)

    def progress(cell, cells, seconds):
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text():
            psutil.Process(int((tmp_path / "pid").read_text())).parent().kill()

    outcome = execute(find([str(path)])[0], {}, 120, progress)
    assert outcome.failure.kind == "crash"
    wait_for_the_end_of_the_kernel(tmp_path)
