"""Which notebooks there are, what a notebook says about itself, and its typed parameters.

Parameters are read from the cell tagged `parameters` and checked before anything runs: papermill only warns when a name
is unknown and passes any type; a misspelt `-p rhoo=0.5` would then run the whole notebook with the default. Here it is
refused.
"""

from __future__ import annotations

import ast
import difflib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lcnb.errors import LcnbError
from lcnb.paths import CHECKOUT, absolute, checkout

TRUE, FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}
UNREADABLE = (ValueError, SyntaxError, TypeError, RecursionError, MemoryError)
"""What Python's reader of literals raises: no literal, no hashable key, too many digits, nested too deeply."""
SHORT = 80
"""Letters of a value that an error shows."""
RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "profile": (lambda v: v in ("quick", "full"), "'quick' or 'full'"),
    "rho": (lambda v: 0 <= v <= 1, "a number between 0 and 1"),
    "budget": (lambda v: 0 <= v <= 1, "a number between 0 and 1"),
    "seed": (lambda v: 0 <= v < 2**32, "a whole number between 0 and 4294967295"),
    "stage_weights": (
        lambda v: len(v) == 3 and all(isinstance(w, int | float) and w >= 0 for w in v),
        "three numbers of at least 0",
    ),
}
"""name -> (which values may be, in words), for parameters of this project's notebooks. They hold where a notebook's own
default keeps them: elsewhere the name means something else."""
PLACE = re.compile(r"(path|file|folder)\b", re.IGNORECASE)
"""How the comment behind a parameter begins that names a place; its relative paths are the caller's."""
CONTAINERS = {"list": list, "tuple": tuple, "dict": dict, "set": set}


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


@dataclass(frozen=True)
class Parameter:
    """One assignment of the parameters cell.

    Attributes:
        name: as papermill takes it.
        kind: the annotation's text ("float", "int | None"); the default's type where there is none.
        default: the value in the notebook; None where it is no literal.
        comment: what stands behind it on its line.
    """

    name: str
    kind: str
    default: Any
    comment: str = ""


def declared(notebook: Notebook) -> dict[str, Parameter]:
    """The parameters of a notebook, in order; empty when no cell is tagged `parameters`.

    Raises:
        NotebookError: the notebook or its parameters cell cannot be read.
    """
    for cell in notebook.read()["cells"]:
        if cell.get("cell_type") == "code" and "parameters" in cell.get("metadata", {}).get("tags", []):
            try:
                tree = ast.parse(source(cell))
            except (SyntaxError, RecursionError, MemoryError) as error:  # the last two: nested too deeply to be read
                why = error.msg if isinstance(error, SyntaxError) else "it is nested too deeply"
                raise NotebookError(f"{notebook.name}: the parameters cell is no plain Python ({why})") from None
            lines = re.split(r"\r\n|\r|\n", source(cell))
            found = [p for statement in tree.body if (p := _parameter(statement, lines)) is not None]
            return {p.name: p for p in found}
    return {}


def _parameter(statement: ast.stmt, lines: list[str]) -> Parameter | None:
    behind = lines[(statement.end_lineno or 1) - 1].encode()[statement.end_col_offset :].decode(errors="replace")
    comment = behind.strip().lstrip("# ")
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
        return Parameter(statement.target.id, ast.unparse(statement.annotation), _literal(statement.value), comment)
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(statement.targets[0], ast.Name):
        value = _literal(statement.value)
        return Parameter(statement.targets[0].id, "Any" if value is None else type(value).__name__, value, comment)
    return None


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except UNREADABLE:
        return None


def convert(notebook: Notebook, given: Mapping[str, Any]) -> dict[str, Any]:
    """The given values, each of the type that the notebook declares; relative paths become absolute.

    Args:
        notebook: whose parameters cell decides.
        given: name -> text as typed, or a value.

    Raises:
        NotebookError: a name is unknown (the known ones are listed), or a value is of another type or out of
            bounds (`RULES`).
    """
    known = declared(notebook)
    for name in given:
        if name not in known:
            raise NotebookError(f"{notebook.name} has no parameter {name!r}; {_hint(name, known)}")
    return {name: _typed(notebook, known[name], value) for name, value in given.items()}


def _hint(name: str, known: Mapping[str, Parameter]) -> str:
    if not known:
        return "it has none: no cell is tagged 'parameters'"
    close = difflib.get_close_matches(name, known, n=1)
    listed = f"it has {', '.join(f'{p.name} ({p.kind})' for p in known.values())}"
    return f"did you mean {close[0]!r}? {listed}" if close else listed


def _typed(notebook: Notebook, parameter: Parameter, value: Any) -> Any:
    rule = RULES.get(parameter.name)
    if rule and not _keeps(rule[0], parameter.default):
        rule = None
    try:
        typed = parse(parameter.kind, value if isinstance(value, str) else repr(value))
        if rule and not _keeps(rule[0], typed):
            raise ValueError(value)
    except UNREADABLE:
        shown = repr(value if isinstance(value, str) else repr(value))
        shown = shown if len(shown) <= SHORT else f"{shown[:SHORT]}... ({len(shown)} letters)"
        wanted = rule[1] if rule else _described(parameter.kind)
        raise NotebookError(f"{notebook.name}: {parameter.name} is {wanted}, got {shown}") from None
    # The kernel works in the notebook's folder; a path was typed in the caller's.
    return str(absolute(typed)) if typed and isinstance(typed, str) and PLACE.match(parameter.comment) else typed


def _keeps(allowed: Callable[[Any], bool], value: Any) -> bool:
    try:
        return allowed(value)
    except TypeError:  # of another type
        return False


def parse(kind: str, text: str) -> Any:
    """A value of an annotated type from its text.

    Raises:
        ValueError, SyntaxError: the text is no such value.
    """
    options = _alternatives(ast.parse(kind, mode="eval").body)
    for option in sorted(options, key=lambda o: (o != "None", o == "str")):  # "str" takes anything, so last
        try:
            return _parse_one(option, text)
        except UNREADABLE:
            continue
    raise ValueError(text)


def _alternatives(node: ast.expr) -> list[str]:
    """`int | None` and `Optional[int]` -> ["int", "None"]."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _alternatives(node.left) + _alternatives(node.right)
    if isinstance(node, ast.Subscript) and ast.unparse(node.value).removeprefix("typing.") == "Optional":
        return [*_alternatives(node.slice), "None"]
    return [ast.unparse(node)]


def _parse_one(kind: str, text: str) -> Any:
    if match := re.fullmatch(r"(?:typing\.)?Literal(\[.*\])", kind):
        return _choice(ast.literal_eval(match[1]), text)
    readers: dict[str, Callable[[str], Any]] = {"str": str, "int": int, "float": _float, "bool": _bool, "None": _none}
    return readers[kind](text) if kind in readers else _container(kind, text)


def _choice(options: list[Any], text: str) -> Any:
    for option in options:
        if text in (option, repr(option)):
            return option
    raise ValueError(text)


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _bool(text: str) -> bool:
    if text.lower() in TRUE | FALSE:
        return text.lower() in TRUE
    raise ValueError(text)


def _none(text: str) -> None:
    if text != "None":
        raise ValueError(text)


def _container(kind: str, text: str) -> Any:
    """A literal, of the container type where the annotation names one; other annotations take any literal."""
    value = ast.literal_eval(text)
    wanted = CONTAINERS.get(kind.split("[")[0])
    if wanted is not None and not isinstance(value, wanted):
        raise ValueError(text)
    return value


def _described(kind: str) -> str:
    words = {
        "int": "a whole number",
        "float": "a number",
        "bool": "true or false",
        "str": "a text",
    }
    return words.get(kind, f"of type {kind}")
