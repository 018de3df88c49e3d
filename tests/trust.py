"""What the suite survives, counted while tests run: `pytest --trust-report=docs/results/reliability.json`.

A test that does something bad to the suite is marked `@pytest.mark.trust("area")`, or `trust("area", saved=True)` if
it also looks at what was on disk before and finds it unhurt. The first line of its docstring is the row of
docs/reliability.md. Its parametrised cases are counted; a test that tries many inside says how many:
`record_property("tried", n)`. Rows of an earlier report stay, except those of tests that ran again or are gone.
"""

import inspect
import json
from pathlib import Path

import pytest

from lcnb.machine import machine, versions
from lcnb.paths import write_json

SCHEMA = "lcnb-reliability-1"
AREAS = {
    "downloads": "Downloads",
    "inputs": "Inputs",
    "faults": "Faults",
    "load": "Load",
    "determinism": "Determinism",
    "jupyter": "Jupyter",
    "compatibility": "Compatibility",
}
"""In the order of the page."""


class Ledger:
    """One row a marked test."""

    def __init__(self, path: Path):
        self.path = path
        self.rows: dict[str, dict] = {}

    def add(self, item: pytest.Item) -> None:
        """Make room for a test's row; its cases share it."""
        for mark in item.iter_markers("trust"):
            name, text = _test(item.nodeid), (inspect.getdoc(item.function) or "").splitlines()[:1]
            if mark.args[0] not in AREAS or not text:
                raise pytest.UsageError(f"{name}: trust() needs one of {', '.join(AREAS)}, and the test a docstring")
            row = {
                "area": mark.args[0],
                "case": text[0].rstrip("."),
                "test": name,
                "tried": 0,
                "passed": 0,
                "skipped": 0,
            }
            self.rows.setdefault(name, row | {"saved": bool(mark.kwargs.get("saved"))})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a case when its call ends, or when it did not get that far."""
        row = self.rows.get(_test(report.nodeid))
        if row is None or (report.when != "call" and report.passed):
            return
        if report.skipped:
            row["skipped"] += 1
        elif report.when != "teardown":
            tried = dict(report.user_properties).get("tried", 1)
            row["tried"] += tried
            row["passed"] += tried * report.passed
        else:
            row["passed"] -= 1

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the file, whole; rows that it has of tests that were not run this time stay."""
        here = machine()
        rows = self._earlier(here)
        rows |= {name: row for name, row in self.rows.items() if name not in rows or row["tried"] or row["skipped"]}
        order = sorted(rows.values(), key=lambda row: (list(AREAS).index(row["area"]), row["test"]))
        found = {
            "schema": SCHEMA,
            "rows": order,
            "machine": here,
            "versions": {name: found for name, found in versions().items() if found is not None},
            "command": f"python -m pytest -m '{session.config.option.markexpr}' --trust-report={self.path}",
        }
        write_json(self.path, found)

    def _earlier(self, here: dict) -> dict[str, dict]:
        """Rows of the file that were counted on such a machine."""
        if not self.path.is_file():
            return {}
        found = json.loads(self.path.read_text(encoding="utf-8"))
        same = all(found["machine"][key] == here[key] for key in ("cpu", "cores", "platform", "gpu"))
        return {row["test"]: row for row in found["rows"] if same and _exists(row["test"])}


def _exists(test: str) -> bool:
    path, *_, name = test.split("::")
    return Path(path).is_file() and f"def {name}(" in Path(path).read_text(encoding="utf-8")


def _test(nodeid: str) -> str:
    return nodeid.split("[")[0]


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option."""
    parser.addoption("--trust-report", type=Path, metavar="FILE", help="write what the trust tests tried and passed")


def pytest_configure(config: pytest.Config) -> None:
    """Workers of pytest-xdist would each count their own tests only."""
    if config.getoption("--trust-report") and config.getoption("numprocesses", None):
        raise pytest.UsageError("--trust-report counts in one process: give no -n, or -n 0")


@pytest.hookimpl(trylast=True)  # after -m has made its choice
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A wrong mark is refused in every run; rows are counted where a report was asked for."""
    path = config.getoption("--trust-report")
    ledger = Ledger(path or Path())
    for item in items:
        ledger.add(item)
    if path is not None:
        config.pluginmanager.register(ledger, "trust-ledger")
