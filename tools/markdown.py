"""Tables, and the generated parts, of the pages that show kept results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A Markdown table.

    Args:
        head: of its columns.
        rows: as long as the head each.
        left: so many columns are set to the left, the others to the right.
    """
    rule = ["---"] * left + ["---:"] * (len(head) - left)
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *rows))


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
