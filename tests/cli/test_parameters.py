"""Typed parameters: what is refused, and by what words."""

import re

import pytest

from lcnb.running import NotebookError, convert, declared, find
from lcnb.running.notebooks import parse
from tests.cli.conftest import write_notebook


@pytest.fixture
def notebook(tmp_path):
    write_notebook(tmp_path / "00_first.ipynb")
    return find(["00"], [tmp_path])[0]


def with_cell(tmp_path, code):
    path = write_notebook(tmp_path / "x.ipynb")
    path.write_text(path.read_text().replace("seed: int = 0", code), encoding="utf-8")
    return find([str(path)])[0]


def test_reads_names_types_and_defaults(notebook):
    found = {p.name: (p.kind, p.default) for p in declared(notebook).values()}
    assert found == {
        "dataset": ("str", "streets"),
        "profile": ("str", "quick"),
        "device": ("str", "cpu"),
        "rho": ("float", 0.985),
        "seed": ("int", 0),
    }


def test_an_assignment_without_annotation_has_the_type_of_its_default(tmp_path):
    assert declared(with_cell(tmp_path, "steps = 3"))["steps"].kind == "int"


def test_converts_to_the_declared_type(notebook):
    given = {"rho": "1", "seed": "7", "dataset": "5"}
    assert convert(notebook, given) == {"rho": 1.0, "seed": 7, "dataset": "5"}
    assert isinstance(convert(notebook, given)["rho"], float)


def test_refuses_an_unknown_name_with_the_close_one_and_all_known(notebook):
    with pytest.raises(NotebookError, match=r"no parameter 'rhoo'; did you mean 'rho'\? it has dataset \(str\), prof"):
        convert(notebook, {"rhoo": "0.5"})


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("bool", "yes", True),
        ("bool", "False", False),
        ("int | None", "None", None),
        ("int | None", "4", 4),
        ("str | int", "4", 4),
        ("typing.Optional[float]", "0.5", 0.5),
        ("Literal['a', 2]", "a", "a"),
        ("Literal['a', 2]", "2", 2),
        ("list[int] | None", "[1, 2]", [1, 2]),
        ("tuple[int, int]", "(1, 2)", (1, 2)),
        ("Any", "{'a': 1}", {"a": 1}),
    ],
)
def test_parses(kind, text, value):
    assert parse(kind, text) == value
    assert type(parse(kind, text)) is type(value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [("bool", "maybe"), ("int | None", "x"), ("Literal['a', 2]", "b"), ("list[int]", "(1, 2)"), ("dict", "[")],
)
def test_does_not_parse(kind, text):
    with pytest.raises((ValueError, SyntaxError)):
        parse(kind, text)


@pytest.mark.parametrize(
    ("code", "name", "value", "words"),
    [
        ("profile = 'quick'", "profile", "FULL", "profile is 'quick' or 'full', got 'FULL'"),
        ("rho = 0.5", "rho", "2", "rho is a number between 0 and 1, got '2'"),
        ("seed: int = 0", "seed", "-1", "seed is a whole number between 0 and 4294967295, got '-1'"),
        ("budget = 0.5", "budget", "5", "budget is a number between 0 and 1, got '5'"),
        ("stage_weights = [1, 1, 1]", "stage_weights", "[1, 1]", "stage_weights is three numbers"),
    ],
)
def test_a_known_parameter_keeps_its_bounds(tmp_path, code, name, value, words):
    path = with_cell(tmp_path, "x = 0")
    path.path.write_text(path.path.read_text().replace("x = 0", code).replace("profile: str", "other: str"))
    if name == "rho":
        path.path.write_text(path.path.read_text().replace("rho: float = 0.985", "y = 1"))
    with pytest.raises(NotebookError, match=re.escape(words)):
        convert(path, {name: value})


def test_a_notebook_whose_default_is_out_of_bounds_means_something_else(tmp_path):
    notebook = with_cell(tmp_path, "budget = 100")
    assert convert(notebook, {"budget": "50"}) == {"budget": 50}


def test_a_relative_path_is_the_callers(tmp_path, monkeypatch):
    (tmp_path / "caller").mkdir()
    lines = r"clip: str = ''  # Path of a clip\nout: str = ''  # folder for ö\nname: str = ''  # its name, no path"
    notebook = with_cell(tmp_path, lines)
    monkeypatch.chdir(tmp_path / "caller")
    given = {"clip": "../a.mp4", "out": "films", "name": "x"}
    assert convert(notebook, given) == {
        "clip": str(tmp_path / "a.mp4"), "out": str(tmp_path / "caller" / "films"), "name": "x",
    }  # fmt: skip
    assert convert(notebook, {"clip": "", "out": "/films"}) == {"clip": "", "out": "/films"}
