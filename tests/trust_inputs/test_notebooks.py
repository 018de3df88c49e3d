"""Notebooks that are none, and parameters that do not fit; `lcnb run` says so before any kernel starts."""

import contextlib
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lcnb.errors import LcnbError
from lcnb.running import Notebook, convert
from lcnb.running.notebooks import parse
from tests.cli.conftest import write_notebook

PARAMETERS = """\
dataset: str = "streets"
rho: float = 0.985
seed: int = 0
flag: bool = True
some: int | None = None
pair: tuple[int, int] = (1, 2)
choice: Literal["a", "b"] = "a"
"""


def cell(source, tags=("parameters",)):
    return {"cell_type": "code", "id": "p", "metadata": {"tags": list(tags)}, "source": source, "outputs": []}


def book(*cells, **changes):
    content = {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(content | changes).encode()


CASES = {
    "an empty file": (b"", "cannot be read as a notebook"),
    "one byte": (b"x", "cannot be read as a notebook"),
    "a picture": (b"\x89PNG\r\n\x1a\n\xff", "cannot be read as a notebook"),
    "UTF-16": (book().decode().encode("utf-16"), "cannot be read as a notebook"),
    "half a notebook": (book(cell("x = 1"))[:-20], "cannot be read as a notebook"),
    "nested 100,000 deep": (b"[" * 100_000, "cannot be read as a notebook"),
    "a list": (b"[]", "is no notebook of format 4"),
    "format 3": (book(nbformat=3), "is no notebook of format 4"),
    "format four in letters": (book(nbformat="4"), "is no notebook of format 4"),
    "no cells": (b'{"nbformat": 4}', "is no notebook of format 4"),
    "cells that are an object": (book(cells={}), "is no notebook of format 4"),
    "metadata that are text": (book(metadata="x"), "its metadata are no JSON object"),
    "a cell that is text": (book("x"), "cell 1 is none"),
    "a cell that is null": (book(cell("x = 1"), None), "cell 2 is none"),
    "a cell of no kind": (book({"source": "x"}), "cell 1 is none"),
    "a source that is a number": (book(cell(5)), "cell 1 is none"),
    "a source of numbers": (book(cell([1, 2])), "cell 1 is none"),
    "tags that are a number": (book({"cell_type": "code", "metadata": {"tags": 5}}), "cell 1 is none"),
    "metadata of a cell that are null": (book({"cell_type": "code", "metadata": None}), "cell 1 is none"),
    "outputs that are text": (book(cell("") | {"outputs": ["x"]}), "cell 1 is none"),
    "no parameters cell": (book(cell("seed = 1", ())), "it has none: no cell is tagged 'parameters'"),
    "a parameters cell that is no Python": (book(cell("x = = 1")), "is no plain Python (invalid syntax)"),
    "a NUL in the parameters cell": (book(cell("x = 1\0")), "is no plain Python"),
    "5000 brackets in the parameters cell": (book(cell("x = " + "(" * 5000)), "is no plain Python"),
    "100,000 signs in the parameters cell": (book(cell("x = " + "-" * 100_000 + "1")), "is no plain Python"),
    "a number of 5000 digits": (book(cell("x = " + "9" * 5000)), "is no plain Python"),
    "a default that cannot be": (book(cell("seed: int = {[]: 1}")), "seed is a whole number, got 'many'"),
}


@pytest.mark.parametrize("kind", CASES)
def test_a_notebook_that_is_none(kind, refused, home):
    """`lcnb run` of what is no notebook, a damaged one, or one whose parameters cannot be read: nothing starts"""
    content, words = CASES[kind]
    (home / "mine.ipynb").write_bytes(content)
    assert "mine" in refused("run", "mine.ipynb", "-p", "seed=many", words=words)


def test_a_type_is_not_run(tmp_path):
    """An annotation in the parameters cell that would run a program: it is read as text"""
    ran = tmp_path / "ran"
    text = (
        f"x: __import__('pathlib').Path({str(ran)!r}).touch() = 1\ny = __import__('pathlib').Path({str(ran)!r}).touch()"
    )
    (tmp_path / "a.ipynb").write_bytes(book(cell(text)))
    notebook = Notebook(tmp_path / "a.ipynb", "a")
    touch = f"__import__('pathlib').Path({str(ran)!r}).touch()"
    for values in ({"x": "1"}, {"x": touch}, {"y": touch}):
        with contextlib.suppress(LcnbError):
            convert(notebook, values)
    assert not ran.exists()


VALUES = [
    "rho=nan", "rho=inf", "rho=1e999", "rho=", "rho=abc", "seed=1.5", "seed=", f"seed={'9' * 5000}", "flag=maybe",
    "some=q", "pair=1", "pair=(1,", "pair=[1, 2]", "pair=__import__('os')", f"pair={'(' * 3000}",
    f"pair={'[' * 100_000}", f"some={'-' * 100_000}1", "choice=c", "nope=1", "rhoo=0.5",
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda v: ascii(v[:25]))
def test_a_bad_parameter(value, refused, home):
    """`lcnb run -p NAME=VALUE` of a wrong type, NaN, unknown, or very long: refused before anything runs"""
    (home / "mine.ipynb").write_bytes(book(cell(PARAMETERS)))
    error = refused("run", "mine.ipynb", "-p", value, words=f"{value.partition('=')[0]}")
    assert len(error) < 400


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(lambda p: None, "no notebook is named 'mine.ipynb'", id="no such file"),
        pytest.param(lambda p: p.mkdir(), "no notebook is named 'mine.ipynb'", id="a folder"),
        pytest.param(os.mkfifo, "no notebook is named 'mine.ipynb'", id="a pipe"),
        pytest.param(lambda p: p.symlink_to(p), "no notebook is named 'mine.ipynb'", id="a link to itself"),
    ],
)
def test_a_notebook_that_is_no_file(make, words, refused, home):
    """`lcnb run` of a folder, a pipe or nothing: a sentence"""
    write_notebook(home / "00_other.ipynb")
    make(home / "mine.ipynb")
    refused("run", "mine.ipynb", words=words)


def test_values_come_back():
    """Random values of every type that a parameter can have, written as text: they come back as they were"""

    @settings(max_examples=150, deadline=None, database=None)
    @given(
        st.one_of(
            st.tuples(st.just("int"), st.integers()),
            st.tuples(st.just("float"), st.floats(allow_nan=False, allow_infinity=False)),
            st.tuples(st.just("bool"), st.booleans()),
            st.tuples(st.just("str"), st.text()),
            st.tuples(st.just("int | None"), st.none() | st.integers()),
            st.tuples(st.just("tuple[int, ...]"), st.lists(st.integers(), max_size=5).map(tuple)),
            st.tuples(
                st.just("dict"),
                st.dictionaries(st.text(max_size=5), st.floats(allow_nan=False, allow_infinity=False), max_size=3),
            ),
        )
    )
    def back(pair):
        kind, value = pair
        found = parse(kind, value if isinstance(value, str) else repr(value))
        assert (found, type(found)) == (value, type(value))

    back()


def test_random_files_are_no_notebooks(tmp_path):
    """Random bytes and random JSON called .ipynb: a sentence, or a notebook"""
    random_json = st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["cells", "nbformat", "metadata", "source", "tags", "cell_type", "outputs"]), inner
            )
        ),
        max_leaves=12,
    )

    @settings(max_examples=150, deadline=None, database=None)
    @given(st.binary(max_size=60) | random_json.map(lambda v: json.dumps({"nbformat": 4, "cells": v}).encode()))
    def one(content):
        path = tmp_path / "a.ipynb"
        path.write_bytes(content)
        with contextlib.suppress(LcnbError):
            convert(Notebook(path, "a"), {"seed": "1"})

    one()
