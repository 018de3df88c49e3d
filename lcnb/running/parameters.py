"""Typed notebook parameters: read from the cell tagged `parameters`, checked before anything runs.

papermill only warns when a name is unknown and passes any type; a misspelt `-p rhoo=0.5` would then run the
whole notebook with the default. Here it is refused.
"""

from __future__ import annotations

import ast
import difflib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lcnb.paths import absolute
from lcnb.running.notebooks import Notebook, NotebookError, source

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
