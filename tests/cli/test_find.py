"""Which notebooks a name means."""

import pytest

from lcnb.running import Notebook, NotebookError, find
from lcnb.running.notebooks import folders, heading
from tests.cli.conftest import write_notebook


@pytest.fixture
def shelf(home):
    for name in ("00_quickstart", "01_difficulty", "solutions/00_quickstart"):
        write_notebook(home / "notebooks" / f"{name}.ipynb")
    return home / "notebooks"


@pytest.mark.parametrize("name", ["00", "00_quickstart", "00_quickstart.ipynb", "notebooks/00_quickstart.ipynb"])
def test_by_number_name_or_file(shelf, name):
    assert find([name]) == [Notebook(shelf / "00_quickstart.ipynb", "00_quickstart")]


def test_all_by_default_and_once_each(shelf):
    assert [n.name for n in find()] == ["00_quickstart", "01_difficulty"]
    assert [n.name for n in find(["01", "00", "01_difficulty"])] == ["01_difficulty", "00_quickstart"]


@pytest.mark.parametrize("name", ["solutions/00", "solutions/00_quickstart", "solutions"])
def test_solutions_by_name(shelf, name):
    path = shelf / "solutions" / "00_quickstart.ipynb"
    assert find([name]) == [Notebook(path, "solutions/00_quickstart")]


def test_unknown_solutions(shelf):
    with pytest.raises(NotebookError, match=r"no notebook is named 'solutions/07'.*there are 00_quickstart"):
        find(["solutions/07"])


def test_a_folder_and_its_own_results(shelf):
    assert [n.name for n in find(["notebooks/solutions", "00"])] == ["solutions/00_quickstart", "00_quickstart"]


def test_two_that_would_be_written_to_one_place(shelf, home):
    write_notebook(home / "elsewhere" / "00_quickstart.ipynb")
    with pytest.raises(NotebookError, match="would both be written as 00_quickstart"):
        find(["00", "elsewhere/00_quickstart.ipynb"], [shelf])


@pytest.mark.parametrize(
    ("name", "words"),
    [("01_dificulty", "did you mean 01_difficulty?"), ("xyz", "there are 00_quickstart, 01_difficulty")],
)
def test_unknown(shelf, name, words):
    with pytest.raises(NotebookError) as error:
        find([name])
    assert f"no notebook is named '{name}'" in str(error.value)
    assert words in str(error.value)


def test_more_than_one(shelf):
    write_notebook(shelf / "00_other.ipynb")
    with pytest.raises(NotebookError, match="'00' could be 00_other or 00_quickstart"):
        find(["00"])


def test_none_at_all(home):
    with pytest.raises(NotebookError, match=r"no notebooks in .*clone it"):
        find()


def test_the_checkout_comes_before_the_working_directory(shelf, home, monkeypatch):
    write_notebook(home / "project" / "notebooks" / "00_mine.ipynb")
    monkeypatch.setattr("lcnb.running.notebooks.checkout", lambda: home / "project")
    assert folders()[:2] == [home / "project" / "notebooks", shelf]
    assert [n.name for n in find()] == ["00_mine"]


FIRST = ["![badge](x.svg)\n", "\n", "# How *hard* is $\\rho$?\n", "\n", "> For [all](y) of\n", "> you. More."]
GOAL = "# How *hard*?\n\n| | |\n|---|---|\n| **For** | all |\n| **You will** | see `rho` move |\n\nMore."


@pytest.mark.parametrize(
    ("lines", "title", "about"),
    [
        (GOAL, "How hard?", "You will see rho move."),
        (FIRST, "How hard is rho?", "For all of you."),
        ("# Hard\n\nRoad, sky, ... The rest. More.", "Hard", "Road, sky, ... The rest."),
        ("", "x", ""),
    ],
)
def test_title_and_goal_or_first_sentence(lines, title, about):
    cells = [{"cell_type": "code", "source": "# no"}, {"cell_type": "markdown", "source": lines}]
    assert heading({"cells": cells if lines else []}, "x") == (title, about)
