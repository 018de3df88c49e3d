import base64
import html
import json
import re
import shutil

import pytest

from lcnb.cli import main
from lcnb.paths import checkout

NOTEBOOKS = checkout() / "notebooks"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("class") / "new"
    assert main(["classroom", "00", "05", "--out", str(out)]) == 0
    return out


def test_a_class_gets_lessons_without_solutions_and_without_links_that_lead_nowhere(folder):
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()) == [
        "handout.html", "notebooks/00_quickstart.ipynb", "notebooks/05_stage_visualization.ipynb", "slides.html",
    ]  # fmt: skip
    for copy in folder.glob("notebooks/*.ipynb"):
        given, kept = json.loads(copy.read_text()), json.loads((NOTEBOOKS / copy.name).read_text())
        assert [c.get("outputs") for c in given["cells"]] == [c.get("outputs") for c in kept["cells"]]
        assert not re.search(r"\]\((\.\./|solutions/)", copy.read_text())


def test_slides_have_every_stored_figure_below_its_heading(folder):
    slides = (folder / "slides.html").read_text()
    stored = [
        data
        for name in ("00_quickstart", "05_stage_visualization")
        for cell in json.loads((NOTEBOOKS / f"{name}.ipynb").read_text())["cells"]
        for output in cell.get("outputs", [])
        for kind, data in output.get("data", {}).items()
        if kind.startswith("image/")
    ]
    assert slides.count("<img") == len(stored) > 5
    drawings = [text for text in map("".join, stored) if text.startswith("<svg")]
    assert len(drawings) == 1
    shown = [
        base64.b64encode(text.strip().encode()).decode() if text in drawings else text for text in map("".join, stored)
    ]
    assert all(data.strip() in slides for data in shown)
    titles = re.findall(r"<h2>(.*?)</h2>", slides)
    assert len(titles) == len(stored)
    assert {f"## {t}" for t in titles} <= {
        html.escape(line)
        for name in ("00_quickstart", "05_stage_visualization")
        for cell in json.loads((NOTEBOOKS / f"{name}.ipynb").read_text())["cells"]
        for line in "".join(cell["source"]).splitlines()
    }
    assert "http" not in slides


def test_links_out_of_the_folder_become_words(tmp_path):
    source = tmp_path / "lesson.ipynb"
    content = json.loads((NOTEBOOKS / "00_quickstart.ipynb").read_text())
    content["cells"].insert(0, {"cell_type": "markdown", "id": "a", "metadata": {}, "source": ""})
    content["cells"][0]["source"] = "[a](../docs/a.md) [b](01_difficulty.ipynb) [c](solutions/00.ipynb) [d](https://d)"
    source.write_text(json.dumps(content))
    assert main(["classroom", str(source), "--out", str(tmp_path / "out")]) == 0
    copied = json.loads((tmp_path / "out" / "notebooks" / "lesson.ipynb").read_text())
    assert "".join(copied["cells"][0]["source"]) == "a [b](01_difficulty.ipynb) c [d](https://d)"


def test_a_folder_with_something_in_it_and_notebooks_without_figures_are_refused(folder, tmp_path, capsys):
    assert main(["classroom", "00", "--out", str(folder)]) == 1
    assert "not empty" in capsys.readouterr().err
    shutil.copy(NOTEBOOKS / "00_quickstart.ipynb", tmp_path / "bare.ipynb")
    content = json.loads((tmp_path / "bare.ipynb").read_text())
    content["cells"] = [c for c in content["cells"] if c["cell_type"] == "markdown"]
    (tmp_path / "bare.ipynb").write_text(json.dumps(content))
    assert main(["classroom", str(tmp_path / "bare.ipynb"), "--out", str(tmp_path / "none")]) == 1
    assert "no figure" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
