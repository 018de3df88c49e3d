"""The child process of `lcnb.running.process`: papermill on one notebook, its progress as JSON lines.

Reads one line of JSON from standard input (the job) and ends when that pipe breaks, so that a parent that was
killed leaves no kernel behind. What libraries and the kernel print goes to standard error, the log.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import shutil
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Any

import psutil

from lcnb.running.process import Memory

ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def main() -> None:
    """Run the job and say how it ended."""
    out = _own_stdout()
    job = json.loads(sys.stdin.readline())
    tempfile.tempdir = job["scratch"]  # of this process, not of the kernel: the file with the kernel's key lies there
    threading.Thread(target=_end_with_parent, args=(Path(job["scratch"]),), daemon=True).start()

    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    try:
        _execute(job, out)
    except PapermillExecutionError as error:
        _say(out, event="failed", kind="error", **_described(error))
    except DeadKernelError:
        _say(out, event="failed", kind="crash", message="the kernel died; did the machine run out of memory?")
    else:
        _say(out, event="done")


def _own_stdout() -> IO[str]:
    """The pipe to the parent, with everyone else's standard output sent to standard error."""
    pipe = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return pipe


def _end_with_parent(scratch: Path) -> None:
    """The parent was killed and can tidy up no more: end the kernel and what it has started, and leave no files."""
    sys.stdin.read()
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            process.kill()
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(1)


def _execute(job: dict[str, Any], out: IO[str]) -> None:
    import papermill

    memory = Memory(os.getpid())
    papermill.execute_notebook(
        job["notebook"],
        job["output"],
        ast.literal_eval(job["parameters"]),
        kernel_name="python3",
        language="python",
        progress_bar=False,
        cwd=job["cwd"],
        on_cell_start=lambda cell, cell_index: _say(out, event="cell", number=cell_index + 1),
        on_cell_execute=lambda cell, cell_index: _say(out, event="work"),
        on_cell_executed=lambda cell, cell_index, execute_reply: _say(out, event="rest", peak=memory.sample()),
    )


def _say(out: IO[str], **event: Any) -> None:
    out.write(json.dumps(event) + "\n")
    out.flush()


def _described(error: Any) -> dict[str, Any]:
    """A cell's error, without IPython's and papermill's frames: what, in which cell, on which line of it."""
    text = ANSI.sub("", "\n".join(error.traceback))
    line = re.search(r"^Cell In\[\d+\], line (\d+)", text, re.MULTILINE)
    summary = next((row for row in str(error.evalue).splitlines() if row.strip()), "")
    return {
        "message": f"{error.ename}: {ANSI.sub('', summary)}".rstrip(": "),
        "cell": error.exec_count,
        "code": error.source,
        "line": int(line[1]) if line else None,
    }


if __name__ == "__main__":
    main()
