"""Typed parameters: what is refused, and by what words."""

import pytest

from lcnb.running import NotebookError, convert, declared, find
from lcnb.running.parameters import parse
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
    ("name", "value"), [("rho", "high"), ("rho", "nan"), ("rho", "inf"), ("seed", "1.5"), ("seed", 1.5), ("seed", "")]
)
def test_refuses_another_type(notebook, name, value):
    with pytest.raises(NotebookError, match=f"00_first: {name} is a .*number, got '{value}'"):
        convert(notebook, {name: value})


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


def test_a_notebook_without_parameters_says_so(tmp_path):
    path = write_notebook(tmp_path / "x.ipynb")
    path.write_text(path.read_text().replace('["parameters"]', "[]"), encoding="utf-8")
    with pytest.raises(NotebookError, match="no cell is tagged 'parameters'"):
        convert(find([str(path)])[0], {"rho": "1"})


def test_a_parameters_cell_must_be_python(tmp_path):
    with pytest.raises(NotebookError, match="the parameters cell is no plain Python"):
        declared(with_cell(tmp_path, "%matplotlib inline"))
