"""Which notebooks there are, and what a notebook says about itself."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lcnb.errors import LcnbError
from lcnb.paths import CHECKOUT, checkout


class NotebookError(LcnbError):
    """A notebook is missing, damaged, or does not take what it was given."""


@dataclass(frozen=True)
class Notebook:
    """One notebook to run.

    Attributes:
        path: absolute.
        name: what its results are called, such as "00_quickstart" or "solutions/00_quickstart".
    """

    path: Path
    name: str

    def read(self) -> dict[str, Any]:
        """The notebook's JSON.

        Raises:
            NotebookError: it cannot be read, or is no notebook of format 4.
        """
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise NotebookError(f"{self.path} cannot be read as a notebook ({error})") from None
        if not isinstance(content, dict) or content.get("nbformat") != 4 or not isinstance(content.get("cells"), list):
            raise NotebookError(f"{self.path} is no notebook of format 4")
        if not isinstance(content.setdefault("metadata", {}), dict):
            raise NotebookError(f"{self.path} is damaged: its metadata are no JSON object")
        for number, cell in enumerate(content["cells"], start=1):
            if not _is_cell(cell):
                raise NotebookError(f"{self.path} is damaged: cell {number} is none; store it again with Jupyter")
        return content


def _is_cell(cell: Any) -> bool:
    """Whether it has what is relied on here: a kind, a text (or lines), metadata, tags that are a list."""
    if not isinstance(cell, dict) or not isinstance(cell.get("cell_type"), str):
        return False
    text, metadata = cell.get("source", ""), cell.get("metadata", {})
    lines = text if isinstance(text, list) else [text]
    outputs = cell.get("outputs", [])
    return (
        all(isinstance(line, str) for line in lines)
        and isinstance(metadata, dict)
        and isinstance(metadata.get("tags", []), list)
        and isinstance(outputs, list)
        and all(isinstance(output, dict) for output in outputs)
    )


def folders() -> list[Path]:
    """Where notebooks are looked up by name: the checkout's `notebooks/`, then the working directory's, then itself."""
    root = checkout()
    candidates = [Path.cwd() / "notebooks", Path.cwd()]
    if root is not None:
        candidates.insert(0, root / "notebooks")
    return [p for p in dict.fromkeys(c.resolve() for c in candidates) if p.is_dir()]


def find(wanted: Sequence[str] = (), where: Sequence[Path] | None = None) -> list[Notebook]:
    """Notebooks by number ("00"), name ("solutions/00_quickstart"), file or folder; all lessons if none is named.

    Args:
        wanted: as a person types them.
        where: folders that are searched for names; `folders()` if None.

    Raises:
        NotebookError: nothing, or more than one notebook, goes by that name, or two would have the same results.
    """
    places = folders() if where is None else [Path(p).resolve() for p in where]
    files = [f for item in wanted for f in _named(item, places)] if wanted else _all(places)
    found = [Notebook(f, _result_name(f, places)) for f in dict.fromkeys(files)]
    for i, one in enumerate(found):
        twin = next((other for other in found[:i] if other.name == one.name), None)
        if twin is not None:
            raise NotebookError(f"{twin.path} and {one.path} would both be written as {one.name}; run them one by one")
    return found


def _all(places: Sequence[Path]) -> list[Path]:
    for folder in places:
        if files := _inside(folder):
            return files
    looked = ", ".join(map(str, places))
    raise NotebookError(f"no notebooks in {looked}; they are in notebooks/ of {CHECKOUT}: clone it and run there")


def _inside(folder: Path) -> list[Path]:
    """Its notebooks. A hidden one is what a killed process left unfinished; what is called like one but no file (a pipe
    would keep the reader waiting) is none."""
    return [f for f in sorted(folder.glob("*.ipynb")) if f.is_file() and not f.name.startswith(".")]


def _named(item: str, places: Sequence[Path]) -> list[Path]:
    path = Path(item).expanduser()
    for folder in (path, *(place / item for place in places)):
        if folder.is_dir() and (files := _inside(folder)):
            return [f.resolve() for f in files]
    if path.suffix == ".ipynb" and path.is_file():
        return [path.resolve()]
    inner, _, stem = item.removesuffix(".ipynb").rpartition("/")
    shelves = [place / inner for place in places]
    for folder in shelves:
        files = _inside(folder)
        hits = [f for f in files if f.stem == stem] or [f for f in files if f.stem.startswith(f"{stem}_")]
        if len(hits) > 1:
            raise NotebookError(f"{item!r} could be {' or '.join(f.stem for f in hits)}; give more of the name")
        if hits:
            return hits
    known = [f.stem for folder in shelves for f in _inside(folder)]
    close = difflib.get_close_matches(stem, known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known) or 'none'}"
    raise NotebookError(f"no notebook is named {item!r} in {', '.join(map(str, places))}; {hint}")


def _result_name(file: Path, places: Sequence[Path]) -> str:
    """The path below a folder of notebooks, so that `solutions/00` and `00` keep apart; elsewhere the stem."""
    inside = [file.relative_to(p) for p in places if p.name == "notebooks" and file.is_relative_to(p)]
    short = min(inside, key=lambda p: len(p.parts), default=Path(file.name))
    return short.with_suffix("").as_posix()


def source(cell: dict[str, Any]) -> str:
    """A cell's text; the format allows a string or a list of lines."""
    text = cell.get("source", "")
    return text if isinstance(text, str) else "".join(text)


def heading(content: dict[str, Any], default: str) -> tuple[str, str]:
    """(title, what it is about) of a notebook.

    The title is its first heading. What it is about stands in the table below it, in the row "You will"; in a notebook
    that has none it is the first sentence of the first paragraph.
    """
    title, paragraph = "", ""
    for line in _prose(content):
        text = line.strip()
        if not title:
            title = text.lstrip("# ") if text.startswith("#") else ""
        elif goal := re.fullmatch(r"\|\s*\*\*You will\*\*\s*\|(.*)\|", text):
            return plain(title), plain(f"You will {goal[1].strip()}.")
        elif text.startswith(("#", "|", "<", "![", "```")) and not paragraph:
            continue
        elif text:
            paragraph += f" {text.lstrip('> ')}"
        elif paragraph:
            break
    sentence = re.split(r"(?<=[.!?])(?<!\.\.\.)\s", plain(paragraph.strip()), maxsplit=1)[0]
    return plain(title) or default, sentence


def _prose(content: dict[str, Any]) -> list[str]:
    return [
        line
        for cell in content["cells"]
        if cell.get("cell_type") == "markdown"
        for line in [*source(cell).splitlines(), ""]
    ]


def plain(markdown: str) -> str:
    """Markdown without its marks: links keep their text, emphasis and code their letters, formulas their names."""
    text = re.sub(r"!?\[([^\[\]]*)\]\([^()]*\)", r"\1", markdown)
    text = re.sub(r"\\([A-Za-z]+)", r"\1", text)
    return re.sub(r"[*`$]|(?<!\w)_|_(?!\w)", "", text).strip()
