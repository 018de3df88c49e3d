"""What a class needs of one machine: memory, threads and seconds, for one reader and for several at once.

    python -m tools.classroom            readers at once: about three minutes on two idle cores
    python -m tools.classroom --alone    each notebook of the plans by itself, section by section: about three minutes

Each reader has a kernel of their own that runs notebook 00 and stays open, as in a class. All start together. Memory is
read while all of them are open: what they share (libraries, the files of the package) counts once, divided among them
(PSS), and what is each one's own counts in full (USS). The machine should be idle: the seconds are those of its cores
and of nobody else's work. The document goes to docs/results/classroom.json; docs/teaching.md is written from it by
`python -m tools.pages`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
from jupyter_client import KernelManager

from lcnb.benchmark.load import LoadWatch, reasons
from lcnb.machine import machine
from lcnb.paths import write_json
from lcnb.running import Notebook, execute, find
from lcnb.running.process import environment

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "results" / "classroom.json"
SETTINGS: dict[str, dict[str, str]] = {
    "nothing set": {},
    "OMP_NUM_THREADS=1": {"OMP_NUM_THREADS": "1"},
    "GOMP_SPINCOUNT=1000": {"GOMP_SPINCOUNT": "1000"},
}
RUNS = ((1, "nothing set"), (1, "OMP_NUM_THREADS=1"), (4, "nothing set"), (4, "OMP_NUM_THREADS=1"),
        (4, "GOMP_SPINCOUNT=1000"))  # fmt: skip
"""(readers, setting)."""
ALONE = ("00", "01", "02", "03", "04", "05")
"""What the plans on the page use; each is run once alone, for the seconds of its sections."""
ASK = "import torch; _threads = torch.get_num_threads()"
TIMEOUT = 300


class Reader:
    """One person: a kernel that runs every cell of a notebook and stays.

    Args:
        notebook: to run.
        env: of the kernel.
    """

    def __init__(self, notebook: Notebook, env: Mapping[str, str]) -> None:
        cells = notebook.read()["cells"]
        self.code = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
        self.manager = KernelManager(kernel_name="python3")
        self.env, self.folder = dict(env), str(notebook.path.parent)
        self.seconds = 0.0
        self.torch_threads = 0

    def work(self) -> None:
        """Start the kernel and run all cells."""
        start = time.monotonic()
        self.manager.start_kernel(env=self.env, cwd=self.folder, stderr=subprocess.DEVNULL)
        client = self.manager.client()
        client.start_channels()
        client.wait_for_ready(timeout=TIMEOUT)
        for code in self.code:
            self._run(client, code)
        self.seconds = time.monotonic() - start
        reply = self._run(client, ASK, {"threads": "_threads"})
        self.torch_threads = int(reply["user_expressions"]["threads"]["data"]["text/plain"])
        client.stop_channels()

    def _run(self, client: Any, code: str, ask: dict[str, str] | None = None) -> dict[str, Any]:
        reply = client.execute_interactive(
            code, user_expressions=ask, allow_stdin=False, timeout=TIMEOUT, output_hook=lambda _: None
        )["content"]
        if reply["status"] != "ok":
            raise RuntimeError(f"a cell failed: {reply['ename']}: {reply['evalue']}")
        return reply

    def processes(self) -> list[psutil.Process]:
        """The kernel and what it started."""
        kernel = psutil.Process(self.manager.provisioner.pid)
        return [kernel, *kernel.children(recursive=True)]


def measure(people: int, setting: str) -> dict[str, Any]:
    """`people` readers of notebook 00 at once: seconds, memory and threads of each, as means; the slowest, too."""
    (notebook,) = find(["00"], [ROOT / "notebooks"])
    with tempfile.TemporaryDirectory(prefix="lcnb-class-") as scratch:
        env = _plain(environment(Path(scratch))) | SETTINGS[setting]
        readers = [Reader(notebook, env) for _ in range(people)]
        try:
            with ThreadPoolExecutor(people) as pool:
                list(pool.map(Reader.work, readers))
            return {"people": people, "setting": setting} | _summary(readers)
        finally:
            for reader in readers:
                if reader.manager.has_kernel:
                    reader.manager.shutdown_kernel(now=True)


def _plain(env: Mapping[str, str]) -> dict[str, str]:
    """Without what says how threads work: a hub sets nothing of it, unless told."""
    return {k: v for k, v in env.items() if not k.startswith(("OMP_", "GOMP_", "MKL_"))}


def _summary(readers: Sequence[Reader]) -> dict[str, Any]:
    found = [_of(reader) for reader in readers]
    means = {key: round(statistics.mean(f[key] for f in found), 1) for key in found[0]}
    times = [r.seconds for r in readers]
    return means | {"seconds": round(statistics.mean(times), 1), "slowest_seconds": round(max(times), 1)}


def _of(reader: Reader) -> dict[str, float]:
    """Memory in 10^6 bytes, threads, and processor seconds, the children's included."""
    processes = reader.processes()
    memory = [p.memory_full_info() for p in processes]
    cpu = [p.cpu_times() for p in processes]
    return {
        "own_mb": sum(m.uss for m in memory) / 1e6,
        "fair_share_mb": sum(getattr(m, "pss", m.rss) for m in memory) / 1e6,
        "resident_mb": sum(m.rss for m in memory) / 1e6,
        "threads": sum(p.num_threads() for p in processes),
        "computing_threads": reader.torch_threads,
        "processor_seconds": sum(c.user + c.system for c in cpu),
    }


def server() -> dict[str, float]:
    """Memory of one JupyterLab server with nothing open, which a hub starts for each person too."""
    with tempfile.TemporaryDirectory(prefix="lcnb-class-") as folder:
        env = os.environ | {"JUPYTER_CONFIG_DIR": folder, "JUPYTER_RUNTIME_DIR": folder, "JUPYTER_DATA_DIR": folder}
        options = ["--no-browser", "--ip=127.0.0.1", "--port=0", f"--ServerApp.root_dir={folder}"]
        command = [sys.executable, "-m", "jupyterlab", *options, "--ServerApp.allow_root=True"]
        with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
            try:
                deadline = time.monotonic() + 60
                while not list(Path(folder).glob("jpserver-*.json")):  # written when it listens
                    if child.poll() is not None or time.monotonic() > deadline:
                        raise RuntimeError("JupyterLab did not start")
                    time.sleep(0.2)
                time.sleep(2)
                memory = psutil.Process(child.pid).memory_full_info()
            finally:
                child.terminate()
    return {"own_mb": round(memory.uss / 1e6, 1), "fair_share_mb": round(getattr(memory, "pss", memory.rss) / 1e6, 1)}


def alone() -> list[dict[str, Any]]:
    """Seconds and peak memory of each notebook of the plans, run alone as `lcnb run` does."""
    rows = []
    for name in ALONE:
        (notebook,) = find([name], [ROOT / "notebooks"])
        outcome = execute(notebook, {}, TIMEOUT)
        if outcome.failure is not None or outcome.content is None:
            raise RuntimeError(f"{notebook.name} failed: {outcome.failure}")
        rows.append(
            {
                "notebook": notebook.name,
                "seconds": round(outcome.seconds, 1),
                "peak_mb": round(outcome.peak_mb),
                "sections": sections(outcome.content),
            }
        )
    return rows


def sections(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What lies below each `##` heading: seconds that its cells ran, and how much there is to read and to look at.

    Args:
        content: an executed notebook's JSON, as papermill leaves it.
    """
    found = [_section("beginning")]
    for cell in content["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            for part in re.split(r"^(?=## )", text, flags=re.MULTILINE):
                if part.startswith("## "):
                    found.append(_section(part.splitlines()[0].removeprefix("## ")))
                found[-1]["words"] += len(part.split())
        else:
            found[-1]["cells"] += 1
            found[-1]["seconds"] += cell["metadata"].get("papermill", {}).get("duration") or 0.0
            found[-1]["figures"] += sum("image/" in kind for o in cell["outputs"] for kind in o.get("data", {}))
    return [part | {"seconds": round(part["seconds"], 1)} for part in found]


def _section(title: str) -> dict[str, Any]:
    return {"title": title, "seconds": 0.0, "words": 0, "cells": 0, "figures": 0}


def document(alone_only: bool) -> dict[str, Any]:
    """The kept document with one of its two parts measured anew."""
    kept = json.loads(TARGET.read_text(encoding="utf-8")) if TARGET.exists() else {}
    idle = round(LoadWatch(even_if_busy=True).idle or 0.0, 4)
    why = reasons(idle, None, 0.0)
    where = {"machine": machine(), "load": {"idle_before": idle, "busy": bool(why), "reasons": why}}
    if alone_only:
        part = {"alone": {"command": "python -m tools.classroom --alone", **where, "rows": alone()}}
    else:
        rows = [measure(people, setting) for people, setting in RUNS]
        part = {"command": "python -m tools.classroom", **where, "server": server(), "rows": rows}
    title = "A class on one machine: memory, threads and seconds of readers of notebook 00"
    return {"title": title} | kept | part


def main() -> int:
    """Measure and keep it."""
    parser = argparse.ArgumentParser(description="What a class needs of one machine.")
    parser.add_argument("--alone", action="store_true", help="run the notebooks of the path one by one instead")
    arguments = parser.parse_args()
    os.environ.pop("LCNB_DATA", None)  # the embedded data only
    found = document(arguments.alone)
    write_json(TARGET, found)
    print(json.dumps(found["alone"] if arguments.alone else found["rows"], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
