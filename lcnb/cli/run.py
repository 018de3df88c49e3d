"""`lcnb run`: execute notebooks, write them and an index page, say how long each took."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lcnb.cli.console import Live, bar, table
from lcnb.cli.options import UsageError, command, positive, probability, seed, usable_device
from lcnb.errors import LcnbError
from lcnb.locking import locked
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
    parser = command(
        commands,
        "run",
        run,
        "execute notebooks and write them as notebooks and pages",
        "lcnb run 00 05_stage_visualization --dataset camvid -p seed=3 --out build/notebooks",
    )
    parser.add_argument("notebooks", nargs="*", metavar="NOTEBOOK", help="number, name, file or folder (default: all)")
    parser.add_argument("--dataset", help="data set, such as streets or camvid (default: the notebook's)")
    parser.add_argument("--profile", choices=("quick", "full"), help="how much to compute (default: the notebook's)")
    parser.add_argument("--device", help="such as cpu or cuda (default: the notebook's)")
    parser.add_argument("--rho", type=probability, help="threshold in [0, 1] (default: the notebook's)")
    parser.add_argument("--seed", type=seed, help="of everything random (default: the notebook's)")
    parser.add_argument(
        "-p", dest="parameters", type=_pair, action="append", default=[], metavar="NAME=VALUE",
        help="any parameter of the notebook; may be repeated; a path is relative to this folder",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("build/notebooks"), help="folder (default: %(default)s)")
    parser.add_argument(
        "--timeout", type=positive, default=600.0, metavar="SECONDS", help="for each notebook (default: 600)"
    )


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
    if "dataset" in given:
        _check_dataset(given["dataset"])
    if "device" in given:
        usable_device(given["device"])
    out = arguments.out.absolute()
    with locked(out, "lcnb run"):
        outcomes = _run_all(plans, out, arguments.timeout)
    print("\n" + summary(outcomes))
    print(f"\nopen {arguments.out / 'index.html'}")
    return 0 if all(o.ok for o in outcomes) else 1


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    """The parameters that were named; a notebook's own defaults stand for the others."""
    given = {name: getattr(arguments, name) for name in STANDARD if getattr(arguments, name) is not None}
    for name, value in arguments.parameters:
        if name in given:
            raise UsageError(f"{name} is given twice; give it once")
        given[name] = value
    return given


def _check_dataset(name: str) -> None:
    """Fail now, with one sentence, rather than once in every notebook."""
    from lcnb.datasets import load_dataset, splits

    load_dataset(name, next(iter(splits(name)), "val"))


def _run_all(plans: Sequence[tuple[Notebook, Mapping[str, Any]]], out: Path, timeout: float) -> list[Outcome]:
    from lcnb.machine import hardware
    from lcnb.running import execute, index
    from lcnb.running.publish import publish

    outcomes: list[Outcome] = []
    where = hardware()
    with Live() as live:
        for number, (notebook, parameters) in enumerate(plans):

            def progress(cell: int, cells: int, seconds: float, head: str = _head(number, plans)) -> None:
                live.show(f"{head} {bar(cell, cells)} cell {cell} of {cells}  {seconds:.0f} s")

            outcome = execute(notebook, parameters, timeout, progress)
            if _gpu_too_small(outcome):
                live.clear()
                print(f"{notebook.name}: the GPU is out of memory: once more, on the CPU", file=sys.stderr, flush=True)
                outcome = execute(notebook, {**parameters, "device": "cpu"}, timeout, progress)
            entry = publish(outcome, out)
            index.write(out, [entry], where)
            live.clear()
            _report(outcome)
            outcomes.append(outcome)
    return outcomes


def _gpu_too_small(outcome: Outcome) -> bool:
    """Whether the notebook ran on a GPU and failed for its memory."""
    failure, device = outcome.failure, str(outcome.parameters.get("device", "cpu"))
    return failure is not None and device != "cpu" and failure.message.startswith("OutOfMemoryError")


def _head(number: int, plans: Sequence[tuple[Notebook, Any]]) -> str:
    return f"{number + 1}/{len(plans)} {plans[number][0].name}"


def _report(outcome: Outcome) -> None:
    """One line, and what went wrong below it."""
    word = "ok" if outcome.ok else "FAILED"
    print(f"{outcome.notebook.name}: {word} after {outcome.seconds:.1f} s", flush=True)
    if outcome.failure is not None:
        print(describe(outcome.notebook.name, outcome.failure), file=sys.stderr, flush=True)


def describe(name: str, failure: Failure) -> str:
    """The error and the cell it came from, without anyone's internals."""
    where = name if failure.cell is None else f"{name}, cell [{failure.cell}]"
    return "\n".join([f"{where}: {failure.message}", *excerpt(failure.code, failure.line)])


def excerpt(code: str, line: int | None) -> list[str]:
    """Numbered lines of a cell, the guilty one marked; of a long cell those around it."""
    lines = code.rstrip().splitlines()
    first = max(0, min((line or 1) - LINES // 2, len(lines) - LINES))
    shown = list(enumerate(lines, start=1))[first : first + LINES]
    return [f"{'>' if number == line else ' '} {number:3} | {text}" for number, text in shown]


def summary(outcomes: Sequence[Outcome]) -> str:
    """The table at the end."""
    rows = [(o.notebook.name, f"{o.seconds:.1f}", f"{o.peak_mb:.0f}", _verdict(o)) for o in outcomes]
    total = ("total", f"{sum(o.seconds for o in outcomes):.1f}", f"{max(o.peak_mb for o in outcomes):.0f}", "")
    head = ("notebook", "seconds", "peak MB", "ok")
    return table([head, *rows, *([total] if len(rows) > 1 else [])], right=(1, 2))


def _verdict(outcome: Outcome) -> str:
    return "yes" if outcome.failure is None else f"no ({outcome.failure.kind})"
