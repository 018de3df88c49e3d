"""One notebook in a process of its own, with a time limit that holds; and how much memory its kernel takes.

nbclient's timeout bounds one cell, not the notebook, and a kernel that goes silent has been seen to hang it
for good. So papermill runs in a child process (`lcnb.running.child`) that is killed, kernel and all, when the
time is over; what was done until then is kept.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

import psutil

from lcnb.errors import WriteError
from lcnb.paths import absolute, check_writable, given_roots
from lcnb.running.notebooks import Notebook, source

ROOM = 1_000_000
"""Bytes; a disk that has less is full."""
POLL = 0.1
"""Seconds between two looks at the child. A look costs 2 ms of a core; on Linux no short peak of memory is missed."""


class Taken(NamedTuple):
    """Bytes.

    Attributes:
        resident: all that is in memory, libraries included, which processes share.
        private: without pages of files. How many of these are in memory is the system's own affair (newer ones read
            far ahead), and it drops them when memory is short; this part is what the kernel asks for.
    """

    resident: int = 0
    private: int = 0

    def most(self, other: Taken) -> Taken:
        """The larger of each."""
        return Taken(max(self.resident, other.resident), max(self.private, other.private))


class Memory:
    """Memory of the kernel and its children: all descendants of the runner, itself left out.

    Memory that processes share counts once for each of them, as in every sum of resident sizes. A descendant that
    still has the runner's command line is a fork of it that has not become the kernel yet: it does not count.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.runner: list[str] = []

    def sample(self) -> Taken:
        """The sum now, or the highest that one process ever had (where the system tells), whichever is more."""
        try:
            runner = psutil.Process(self.pid)
            self.runner = self.runner or runner.cmdline()
            kernels = [p for p in runner.children(recursive=True) if p.cmdline() != self.runner]
        except psutil.Error:
            return Taken()
        resident = [_resident(p) for p in kernels]
        high, of_files = zip(*(_of_linux(p.pid) for p in kernels), strict=True) if kernels else ((), ())
        own = [max(0, r - f) for r, f in zip(resident, of_files, strict=True)]
        peaks = [max(0, h - f) for h, f in zip(high, of_files, strict=True)]
        return Taken(max([sum(resident), *high]), max([sum(own), *peaks]))


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0


def _of_linux(pid: int) -> tuple[int, int]:
    """Linux's own peak of a process, which misses no peak between two samples, and its pages of files; else 0."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    sizes = {row.split(":")[0]: int(row.split()[1]) * 1024 for row in lines if row.startswith(("VmHWM:", "RssFile:"))}
    return sizes.get("VmHWM", 0), sizes.get("RssFile", 0)


@dataclass(frozen=True)
class Failure:
    """Why a notebook did not get to its end.

    Attributes:
        kind: "error" (a cell raised), "timeout", or "crash" (the kernel or the runner died).
        message: one line, such as "ValueError: no such class".
        cell: number of the code cell as Jupyter shows it, or None.
        code: the cell's source; empty if unknown.
        line: number of the line in it that raised, or None.
    """

    kind: str
    message: str
    cell: int | None = None
    code: str = ""
    line: int | None = None


@dataclass
class Outcome:
    """What became of one notebook.

    Attributes:
        notebook: it.
        parameters: those that were injected.
        seconds: wall clock, the start of the kernel included.
        peak_mb: highest resident memory of the kernel and its children while cells ran, in 10^6 bytes.
        failure: None if it ran to its end.
        content: the executed notebook's JSON, also of a failed one as far as it got; None if there is none.
        private_mb: as `peak_mb`, without pages of files (`memory.Taken`).
    """

    notebook: Notebook
    parameters: dict[str, Any]
    seconds: float = 0.0
    peak_mb: float = 0.0
    failure: Failure | None = None
    content: dict[str, Any] | None = None
    private_mb: float = 0.0

    @property
    def ok(self) -> bool:
        return self.failure is None


@dataclass
class _Watch:
    """What is known of a running child; filled by the thread that reads its output.

    Memory counts while a cell runs only: a kernel that ends reads in pages of libraries that it never used.
    """

    cells: int
    cell: int = 0
    busy: bool = False
    events: list[dict[str, Any]] = field(default_factory=list)
    peak: Taken = field(default_factory=Taken)
    family: set[psutil.Process] = field(default_factory=set)
    """Of the child, so that a kernel can be ended whose runner has died."""


def execute(
    notebook: Notebook,
    parameters: Mapping[str, Any],
    timeout: float,
    progress: Callable[[int, int, float], None] | None = None,
) -> Outcome:
    """Run one notebook to its end, its first error or its time limit.

    Args:
        notebook: it; the kernel works in its folder.
        parameters: typed values, as `convert` returns them.
        timeout: seconds for the whole notebook.
        progress: called now and then with (cells begun, cells in all, seconds).

    Returns:
        The outcome; a notebook that fails raises nothing here.
    """
    outcome = Outcome(notebook, dict(parameters))
    check_writable(Path(tempfile.gettempdir()) / "lcnb-run")
    with tempfile.TemporaryDirectory(prefix="lcnb-run-", ignore_cleanup_errors=True) as name:
        scratch = Path(name)
        watch, start = _Watch(len(notebook.read()["cells"]) + bool(parameters)), time.monotonic()
        with (scratch / "log.txt").open("wb") as log:
            child = _start(notebook, parameters, scratch, log)
            try:
                late = _follow(child, watch, start, timeout, progress)
            finally:
                _kill(child, watch.family)
        outcome.seconds = time.monotonic() - start
        outcome.peak_mb, outcome.private_mb = (size / 1e6 for size in watch.peak)
        outcome.content = _saved(scratch / "executed.ipynb")
        failure = _verdict(watch, child, scratch, outcome.content)
        over = Failure("timeout", f"not done after {timeout:g} s", *_cell_at(watch.cell, outcome.content))
        outcome.failure = over if late else failure
    return outcome


def _start(notebook: Notebook, parameters: Mapping[str, Any], scratch: Path, log: IO[bytes]) -> subprocess.Popen:
    try:
        env = environment(scratch)
    except OSError as error:
        raise WriteError(scratch, error) from None
    job = {
        "notebook": str(notebook.path), "output": str(scratch / "executed.ipynb"), "scratch": str(scratch),
        "cwd": str(notebook.path.parent),
        "parameters": repr(dict(parameters)),  # a literal keeps tuples and None as they are
    }  # fmt: skip
    child = subprocess.Popen(
        [sys.executable, "-m", "lcnb.running.child"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
        env=env, text=True, encoding="utf-8",
        start_new_session=True,  # Ctrl-C is for the parent, which then ends the child in good order
    )  # fmt: skip
    assert child.stdin is not None
    child.stdin.write(json.dumps(job) + "\n")
    child.stdin.flush()  # left open: the child ends itself when this pipe breaks
    return child


def environment(scratch: Path) -> dict[str, str]:
    """The child's environment: this interpreter's kernel, no user configuration, no chatter, absolute data folders."""
    kernel = scratch / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    spec = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
    }
    (kernel / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    # The kernel works in its own folder: it imports the same source tree, and finds the caller's `data/`. An installed
    # package is found anyway, and its neighbours must not come before the standard library.
    tree, beside = Path(__file__).resolve().parents[2], absolute("data")
    source_tree = "" if tree.name in ("site-packages", "dist-packages") else tree
    data = _joined(*dict.fromkeys([*given_roots(), *([beside] if beside.is_dir() else [])]))
    return {
        **os.environ,
        "JUPYTER_PATH": _joined(scratch / "jupyter", os.environ.get("JUPYTER_PATH")),
        "PYTHONPATH": _joined(source_tree, os.environ.get("PYTHONPATH")),
        "JUPYTER_RUNTIME_DIR": str(scratch / "runtime"),
        "JUPYTER_PLATFORM_DIRS": "1",
        "IPYTHONDIR": str(scratch / "ipython"),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # else the debugger writes a warning into the kernel's log
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        **({"LCNB_DATA": data} if data else {}),
    }


def _joined(*paths: Path | str | None) -> str:
    return os.pathsep.join(str(path) for path in paths if path)


def _follow(
    child: subprocess.Popen,
    watch: _Watch,
    start: float,
    timeout: float,
    progress: Callable[[int, int, float], None] | None,
) -> bool:
    """Wait for the child's end; True if its time was over before."""
    reader = threading.Thread(target=_listen, args=(child, watch), daemon=True)
    reader.start()
    memory = Memory(child.pid)
    while child.poll() is None:
        elapsed = time.monotonic() - start
        if elapsed > timeout:
            return True
        if watch.busy:
            watch.peak = watch.peak.most(memory.sample())
        if progress is not None:
            progress(watch.cell, watch.cells, elapsed)
        time.sleep(POLL)
    reader.join(timeout=5)
    return False


def _listen(child: subprocess.Popen, watch: _Watch) -> None:
    assert child.stdout is not None
    for line in child.stdout:
        try:
            event = json.loads(line)
        except ValueError:
            continue  # cut off by a kill
        if event["event"] == "cell":
            watch.cell = event["number"]
            watch.family |= _family(child)
        elif event["event"] == "work":
            watch.busy = True
        elif event["event"] == "rest":
            watch.peak, watch.busy = watch.peak.most(Taken(*event["peak"])), False
        else:
            watch.events.append(event)


def _family(child: subprocess.Popen) -> set[psutil.Process]:
    try:
        return set(psutil.Process(child.pid).children(recursive=True))
    except psutil.Error:
        return set()


def _kill(child: subprocess.Popen, known: set[psutil.Process]) -> None:
    """End the child and everything below it; harmless when it has ended by itself."""
    family = list(known | _family(child))
    if child.poll() is None:
        child.kill()
    for process in family:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(family, timeout=5)
    child.wait()
    for pipe in filter(None, (child.stdin, child.stdout)):
        with contextlib.suppress(OSError):
            pipe.close()


def _saved(path: Path) -> dict[str, Any] | None:
    """What papermill wrote; None if it wrote nothing, or was killed while it wrote."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if content.get("cells") else None


def _verdict(watch: _Watch, child: subprocess.Popen, scratch: Path, content: dict[str, Any] | None) -> Failure | None:
    """The child's own word, or its log where it died without one."""
    last = dict(watch.events[-1]) if watch.events else {"event": "none"}
    if last.pop("event") == "done":
        return None
    if "cell" in last:
        return Failure(**last)
    if last:
        return Failure(last["kind"], last["message"], *_cell_at(watch.cell, content))
    tail = (scratch / "log.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
    message = f"the runner ended with code {child.returncode}" + "".join(f" ({line.strip()})" for line in tail)
    if shutil.disk_usage(scratch).free < ROOM:
        message = f"the disk is full where temporary files go, {scratch.parent}; free some space, or set TMPDIR"
    return Failure("crash", message, *_cell_at(watch.cell, content))


def _cell_at(number: int, content: dict[str, Any] | None) -> tuple[int | None, str]:
    """(number of the code cell, its source) for the number-th cell of any kind."""
    if content is None or not 1 <= number <= len(content["cells"]):
        return None, ""
    before = content["cells"][:number]
    return sum(c["cell_type"] == "code" for c in before), source(before[-1])
