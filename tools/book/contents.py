"""Which pages the book has, in which order; a page that is missing, or that no section lists, is an error."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from lcnb.errors import LcnbError
from lcnb.paths import checkout

SKIPPED = {".git", ".venv", "build", "dist", "node_modules", "runs"}
REQUIRED = {
    "Start": ["README.md"],
    "Lessons": [f"notebooks/{name}.ipynb" for name in (
        "00_quickstart", "01_difficulty", "02_region_convolution", "03_building_the_cascade", "04_training",
        "05_stage_visualization", "06_reproduce_fps_miou", "07_video", "08_beyond",
    )],
    "Background": [f"docs/{name}.md" for name in (
        "reproduction", "cascade-training", "performance", "teaching", "notebooks", "architecture",
    )],
    "Data and numbers": [
        "data/README.md", "data/photos/README.md", "data/weights/streets-small/README.md",
        "data/weights/camvid-small/README.md", "data/weights/voc-lite/README.md",
        "data/streets/renderer/README.md", "docs/results/README.md",
    ],
    "Project": ["CONTRIBUTING.md", "CHANGELOG.md"],
}  # fmt: skip
"""Pages that must be there. What else matches `FOUND` is listed behind them."""
FOUND = {
    "Lessons": "notebooks/[0-9]*.ipynb",
    "Solutions": "notebooks/solutions/*.ipynb",
    "Background": "docs/*.md",
    "Quizzes": "docs/quiz/*.md",
    "Data and numbers": "data/weights/*/README.md",
}
ORDER = ("Start", "Lessons", "Solutions", "Quizzes", "Background", "Data and numbers", "Project")


class BookError(LcnbError):
    """The book cannot be built of what is there."""


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes:
        source: path in the repository, with forward slashes.
        section: of the navigation.
        title: its first heading.
    """

    source: str
    section: str
    title: str

    @property
    def target(self) -> str:
        """Path in the book: beside its neighbours as in the repository; the README is the first page."""
        path = PurePosixPath(self.source)
        if path.name == "README.md":
            return str(path.with_name("index.html"))
        return str(path.with_suffix(".html"))

    @property
    def short(self) -> str:
        """The title for the navigation: what stands before a colon."""
        return "Overview" if self.source == "README.md" else self.title.split(":")[0]


def root() -> Path:
    """The checkout.

    Raises:
        BookError: this is an installed package without one.
    """
    found = checkout()
    if found is None:
        raise BookError("the book is built from a checkout, and this is none: clone the repository")
    return found


def contents(base: Path) -> list[Page]:
    """Every page in reading order.

    Raises:
        BookError: a required page is missing, a page has no title, or a markdown file is in no section.
    """
    pages = []
    for section in ORDER:
        required = REQUIRED.get(section, [])
        if missing := [name for name in required if not (base / name).is_file()]:
            raise BookError(f"the book needs {', '.join(missing)}, which is not in {base}")
        found = sorted(p.relative_to(base).as_posix() for p in base.glob(FOUND[section])) if section in FOUND else []
        names = dict.fromkeys([*required, *(n for n in found if not n.endswith(".template.md"))])
        pages += [Page(name, section, title(base / name)) for name in names]
    listed = {page.source for page in pages}
    if lost := sorted(set(markdown_files(base)) - listed):
        raise BookError(f"{', '.join(lost)}: in no section of tools/book/contents.py, so nobody would find it")
    return pages


def markdown_files(base: Path) -> list[str]:
    """Every .md of the checkout but templates and what lies in hidden or built folders."""
    found = []
    for folder, below, names in os.walk(base):
        below[:] = [name for name in below if name not in SKIPPED and not name.startswith(".")]
        here = Path(folder).relative_to(base)
        found += [(here / n).as_posix() for n in names if n.endswith(".md") and not n.endswith(".template.md")]
    return found


def cells(path: Path) -> list[dict[str, Any]]:
    """Those of a notebook; a markdown file is one markdown cell."""
    text = path.read_text(encoding="utf-8")
    return json.loads(text)["cells"] if path.suffix == ".ipynb" else [{"cell_type": "markdown", "source": text}]


def title(path: Path) -> str:
    """The first heading, without its markup."""
    for cell in cells(path):
        if cell["cell_type"] == "markdown":
            match = re.search(r"^# +(.+)$", "".join(cell["source"]), re.MULTILINE)
            if match:
                return re.sub(r"[`*]", "", match[1]).strip()
    raise BookError(f"{path} has no heading of the first level, so the book has no title for it")
