"""Write the generated parts of the pages that show kept results, and what these pages are made with.

    python -m tools.pages [reproduction_page ...]

All of them if none is named. Every number is read from docs/results; a test compares the pages with what this gives.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from lcnb.paths import written_whole
from lcnb.plots.style import markdown_table as table  # noqa: F401  (its callers are the pages)

DOCS = Path(__file__).resolve().parents[1] / "docs"
NAMES = (
    "performance_page", "reproduction_page", "teaching_page", "cascade_training_page", "notebook_table",
    "compatibility", "determinism", "networks_page",
)  # fmt: skip
"""The modules; each has `pages()`: path -> text or bytes."""


def shell(lines: str) -> str:
    """Commands as a block of code."""
    return f"```sh\n{lines}\n```"


def filled(page: Path, **parts: str | int | float) -> str:
    """The text of a page, with what stands between `<!-- name -->` and `<!-- /name -->` replaced, for each name.

    Raises:
        ValueError: the page does not have the marks of a name exactly once.
    """
    text = page.read_text(encoding="utf-8")
    for name, part in parts.items():
        before, rest = text.split(f"<!-- {name} -->")
        old, after = rest.split(f"<!-- /{name} -->")
        gap = "\n\n" if old.startswith("\n") else ""  # a block, or words in a sentence
        text = f"{before}<!-- {name} -->{gap}{part}{gap}<!-- /{name} -->{after}"
    return text


def where(machine: Mapping[str, Any]) -> str:
    """The machine of a kept result, in words."""
    torch = machine["torch"].split("+")[0]
    cores = f"{machine['cores']} core{'s' * (machine['cores'] != 1)}"
    return f"{cores} of an {machine['cpu']}, torch {torch}, {machine['date']}"


def main() -> None:
    """Write them, whole."""
    for name in sys.argv[1:] or NAMES:
        for path, content in import_module(f"tools.{name}").pages().items():
            with written_whole(path) as temporary:
                temporary.write_bytes(content if isinstance(content, bytes) else content.encode())


if __name__ == "__main__":
    main()
