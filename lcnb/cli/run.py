"""`lcnb run`: execute notebooks, write them and an index page, say how long each took."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lcnb
from lcnb.cli.console import Live, say, table
from lcnb.cli.options import UsageError, command, option, positive, probability, seed, usable_device
from lcnb.errors import LcnbError
from lcnb.locking import locked
from lcnb.machine import hardware
from lcnb.paths import extra

if TYPE_CHECKING:
    from lcnb.running import Failure, Notebook, Outcome

NEEDED = ("papermill", "nbconvert", "ipykernel", "psutil")
STANDARD = ("dataset", "profile", "device", "rho", "seed")
"""Parameters that every notebook of this project has, and that are options of their own here."""
LINES = 24
"""Of a failing cell that are printed."""


def add(commands: Any) -> None:
    """The command's options."""
    command(
        commands, "run", run, "execute notebooks and write them as notebooks and pages",
        "lcnb run 00 05_stage_visualization --dataset camvid -p seed=3 --out build/notebooks",
        [
            option("notebooks", nargs="*", metavar="NOTEBOOK", help="number, name, file or folder (default: all)"),
            option("--dataset", help="data set, such as streets or camvid (default: the notebook's)"),
            option("--profile", choices=("quick", "full"), help="how much to compute (default: the notebook's)"),
            option("--device", help="such as cpu or cuda (default: the notebook's)"),
            option("--rho", type=probability, help="threshold in [0, 1] (default: the notebook's)"),
            option("--seed", type=seed, help="of everything random (default: the notebook's)"),
            option(
                "-p", dest="parameters", type=_pair, action="append", default=[], metavar="NAME=VALUE",
                help="any parameter of the notebook; may be repeated; a path is relative to this folder",
            ),
            option("--out", type=Path, default=Path("build/notebooks"), help="folder (default: %(default)s)"),
            option("--timeout", type=positive, default=600.0, metavar="SECONDS", help="per notebook (default: 600)"),
        ],
    )  # fmt: skip


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
    return name, value


def run(arguments: argparse.Namespace) -> int:
    """Execute; 0 if every notebook got to its end."""
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        raise LcnbError(f"running notebooks needs {', '.join(missing)}; install with `{extra('notebooks')}`")
    from lcnb.running import convert, find

    given = _given(arguments)
    plans = [(notebook, convert(notebook, given)) for notebook in find(arguments.notebooks)]
    if "dataset" in given:  # fail now, with one sentence, rather than once in every notebook
        splits = lcnb.datasets.splits(given["dataset"])
        lcnb.load_dataset(given["dataset"], next(iter(splits), "val"))
    if "device" in given:
        usable_device(given["device"])
    out = arguments.out.absolute()
    with locked(out, "lcnb run"):
        outcomes = _run_all(plans, out, arguments.timeout)
    print(f"\n{summary(outcomes)}\n\nopen {arguments.out / 'index.html'}")
    return 0 if all(o.ok for o in outcomes) else 1


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    """The parameters that were named; a notebook's own defaults stand for the others."""
    given = {name: getattr(arguments, name) for name in STANDARD if getattr(arguments, name) is not None}
    for name, value in arguments.parameters:
        if name in given:
            raise UsageError(f"{name} is given twice; give it once")
        given[name] = value
    return given


def _run_all(plans: Sequence[tuple[Notebook, Mapping[str, Any]]], out: Path, timeout: float) -> list[Outcome]:
    from lcnb import running
    from lcnb.running import pages

    outcomes: list[Outcome] = []
    with Live() as live:
        for number, (notebook, parameters) in enumerate(plans, start=1):
            head = f"{number}/{len(plans)} {notebook.name} "

            def progress(cell: int, cells: int, seconds: float, head: str = head) -> None:
                live.progress("cell", cell, cells, head, f"  {seconds:.0f} s")

            outcome = running.execute(notebook, parameters, timeout, progress)
            if _gpu_too_small(outcome):
                live.clear()
                print(f"{notebook.name}: the GPU is out of memory: once more, on the CPU", file=sys.stderr, flush=True)
                outcome = running.execute(notebook, {**parameters, "device": "cpu"}, timeout, progress)
            pages.write_index(out, [pages.publish(outcome, out)], hardware())
            live.clear()
            say(f"{notebook.name}: {'ok' if outcome.ok else 'FAILED'} after {outcome.seconds:.1f} s")
            if outcome.failure is not None:
                print(describe(notebook.name, outcome.failure), file=sys.stderr, flush=True)
            outcomes.append(outcome)
    return outcomes


def _gpu_too_small(outcome: Outcome) -> bool:
    """Whether the notebook ran on a GPU and failed for its memory."""
    failure, device = outcome.failure, str(outcome.parameters.get("device", "cpu"))
    return failure is not None and device != "cpu" and failure.message.startswith("OutOfMemoryError")


def describe(name: str, failure: Failure) -> str:
    """The error and the cell it came from, without papermill's and IPython's internals."""
    where = name if failure.cell is None else f"{name}, cell [{failure.cell}]"
    return "\n".join([f"{where}: {failure.message}", *excerpt(failure.code, failure.line)])


def excerpt(code: str, line: int | None) -> list[str]:
    """Numbered lines of a cell, the one that raised marked; of a long cell those around it."""
    lines = code.rstrip().splitlines()
    first = max(0, min((line or 1) - LINES // 2, len(lines) - LINES))
    shown = list(enumerate(lines, start=1))[first : first + LINES]
    return [f"{'>' if number == line else ' '} {number:3} | {text}" for number, text in shown]


def summary(outcomes: Sequence[Outcome]) -> str:
    """The table at the end."""
    rows = [
        (
            o.notebook.name,
            f"{o.seconds:.1f}",
            f"{o.peak_mb:.0f}",
            "yes" if o.failure is None else f"no ({o.failure.kind})",
        )
        for o in outcomes
    ]
    if len(rows) > 1:
        seconds, peak = sum(o.seconds for o in outcomes), max(o.peak_mb for o in outcomes)
        rows.append(("total", f"{seconds:.1f}", f"{peak:.0f}", ""))
    return table([("notebook", "seconds", "peak MB", "ok"), *rows], right=(1, 2))
