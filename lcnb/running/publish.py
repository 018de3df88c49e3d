"""Put an executed notebook into the results folder: cleaned, as a notebook and as a page."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from lcnb.paths import written_whole
from lcnb.running import index, scrub
from lcnb.running.notebooks import heading
from lcnb.running.pages import write_html
from lcnb.running.parameters import declared
from lcnb.running.process import Failure, Outcome


def publish(outcome: Outcome, out: Path) -> dict[str, Any]:
    """Write `<out>/<name>.ipynb` and `.html`; each is whole, or the old one stays.

    A notebook that failed is written as far as it got. One that cannot be made into a page counts as failed:
    `outcome.failure` is set.

    Returns:
        The notebook's entry of the index.
    """
    notebook, folder = outcome.notebook, outcome.notebook.path.parent
    roots = scrub.machine_paths(folder, out)
    content = scrub.clean(outcome.content or notebook.read(), roots)
    with written_whole(out / f"{notebook.name}.ipynb") as path:
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
    title = heading(content, notebook.name)[0]
    home = "../" * notebook.name.count("/") + "index.html"
    try:
        write_html(content, out / f"{notebook.name}.html", title, folder, home)
    except Exception as error:  # nbconvert raises many kinds; the other notebooks still run
        outcome.failure = outcome.failure or Failure("crash", f"no page can be made of it ({error})")
    return index.entry(_shown(outcome, roots), content, _settings(outcome), _today())


def _shown(outcome: Outcome, roots: list[tuple[str, str]]) -> Outcome:
    """The outcome with an error message that can be published."""
    if outcome.failure is None:
        return outcome
    message = scrub.hider(roots)(outcome.failure.message)
    return replace(outcome, failure=replace(outcome.failure, message=message))


def _settings(outcome: Outcome) -> dict[str, Any]:
    """Every parameter of the notebook, with the value it ran with."""
    return {name: p.default for name, p in declared(outcome.notebook).items()} | outcome.parameters


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()
