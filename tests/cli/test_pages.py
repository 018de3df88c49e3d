"""Pages that stand alone: formulas, images, an index, and nothing fetched from anywhere."""

import base64
import io
import re

import pytest
from PIL import Image

from lcnb.running import Failure, Outcome, find, pages
from lcnb.running.pages import mathml, write_html
from tests.cli.conftest import write_notebook

FETCHED = re.compile(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//|import\s*\(|url\(\s*["']?(?:https?:)?//|<script""")


def png(size=(600, 300)):
    buffer = io.BytesIO()
    Image.new("RGBA", size, (200, 0, 0, 128)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def content(*outputs, text="# Title\n\nWhere $c > \\rho$:\n\n$$\\sum_i x_i$$"):
    code = {"cell_type": "code", "id": "b", "metadata": {}, "source": "1", "outputs": list(outputs)}
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {},
        "cells": [
            {"cell_type": "markdown", "id": "a", "metadata": {}, "source": text},
            {**code, "execution_count": 1},
        ],
    }


def shown(image):
    return {"output_type": "display_data", "metadata": {}, "data": image}


def test_a_page_fetches_nothing_and_has_its_formulas(tmp_path):
    """A page of `lcnb run`: nothing is fetched from anywhere, and it has no script of its own"""
    write_html(content(), tmp_path / "x.html", "Title & more", tmp_path)
    html = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert not FETCHED.search(html)
    assert html.count("<math") == 2
    assert 'display="block"' in html
    assert "<title>Title &amp; more</title>" in html
    assert 'href="index.html"' in html


def test_relative_images_of_the_text_are_embedded(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    write_html(content(text="![alt](a.png)"), tmp_path / "out" / "x.html", "t", tmp_path)
    html = (tmp_path / "out" / "x.html").read_text(encoding="utf-8")
    assert '<img alt="alt" src="data:image/png;base64,' in html


def test_links_go_to_the_pages_of_other_notebooks_and_not_out_of_the_folder(tmp_path):
    text = "[02](02_b.ipynb) [paper](https://arxiv.org/abs/1704.01344) [how](../docs/how.md)"
    write_html(content(text=text), tmp_path / "x.html", "t", tmp_path)
    html = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert '<a href="02_b.html">02</a> <a href="https://arxiv.org/abs/1704.01344">paper</a> how' in html


def test_the_cell_that_installs_the_package_is_left_out(tmp_path):
    found = content()
    set_up = {**found["cells"][1], "id": "c", "source": "fetch_it()", "metadata": {"tags": ["bootstrap"]}}
    found["cells"].insert(1, set_up)
    write_html(found, tmp_path / "x.html", "t", tmp_path)
    html = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert "fetch_it" not in html
    assert '<span class="mi">1</span>' in html


@pytest.mark.parametrize("tex", ["\\begin{nonsense", "\\frac{", "<b>"])
def test_odd_formulas_do_not_stop_a_page(tex):
    assert "<b>" not in mathml(tex, "inline")


def entry(tmp_path, name="00_a", failure=None, executed=None):
    write_notebook(tmp_path / f"{name}.ipynb", title="Easy <pixels>")
    notebook = find([str(tmp_path / f"{name}.ipynb")])[0]
    outcome = Outcome(notebook, {}, 12.34, 456.7, failure)
    return pages.entry(outcome, executed or notebook.read(), {"dataset": "streets", "profile": "quick"}, "2020-02-02")


def test_index_lists_what_happened(tmp_path):
    bad = entry(tmp_path, "01_b", Failure("error", "ValueError: <no>"))
    page = pages.write_index(tmp_path, [entry(tmp_path), bad], {"cpu": "A & B", "cores": 2})
    html = page.read_text(encoding="utf-8")
    assert not FETCHED.search(html)
    assert "prefers-color-scheme: dark" in html
    for text in ("Easy &lt;pixels&gt;", "First.", "12 s", "457 MB", "streets", "quick", "A &amp; B", "2 cores"):
        assert text in html
    assert "failed: ValueError: &lt;no&gt;" in html
    for link in ('href="00_a.html"', 'href="00_a.ipynb"'):
        assert link in html


def test_index_keeps_earlier_runs_whose_files_are_there(tmp_path):
    for name in ("00_a", "01_b"):
        pages.write_index(tmp_path, [entry(tmp_path, name)], {})
    html = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert html.index("00_a.html") < html.index("01_b.html")
    (tmp_path / "00_a.ipynb").unlink()
    assert "00_a" not in pages.write_index(tmp_path, [], {}).read_text(encoding="utf-8")


RECORDS = [
    "", "[]", "null", "[" * 100_000, '{"notebooks": 5}', '{"notebooks": [5]}', '{"notebooks": [{}]}',
    '{"notebooks": [{"name": 5}]}', '{"notebooks": [{"name": "00_a"}]}',
]  # fmt: skip


@pytest.mark.parametrize("record", RECORDS, ids=lambda text: text[:30])
def test_a_damaged_record_is_left_behind(tmp_path, record):
    made = entry(tmp_path)
    (tmp_path / "run.json").write_text(record)
    assert "Easy" in pages.write_index(tmp_path, [made], {}).read_text(encoding="utf-8")


def test_thumbnail_is_small_and_the_first_image(tmp_path):
    inside = shown({"text/html": f'<img src="data:image/png;base64,{png((1600, 1600))}">'})
    broken = shown({"image/png": "AAAA"})
    data = pages.thumbnail(content(broken, inside, shown({"image/png": [png((10, 10))]})))
    image = Image.open(io.BytesIO(base64.b64decode(data.removeprefix("data:image/webp;base64,"))))
    assert image.size == (450, 450)
    red, green, _ = image.convert("RGB").getpixel((0, 0))
    assert red > 200
    assert 100 < green < 160  # half transparent red on white
    assert pages.thumbnail(content()) is None
