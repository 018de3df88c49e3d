"""docs/notebooks.md is what the notebooks hold, and its promises are kept by what was measured."""

from lcnb.reproduction import stored
from tests.notebooks.test_run import PRIVATE_MB
from tools import notebook_table as built


def test_the_page_is_what_the_notebooks_hold():
    assert built.PAGE.read_text(encoding="utf-8") == built.page(), "run: python -m tools.notebook_table"


def test_the_head_of_each_lesson_says_what_was_measured():
    found = stored(built.KEPT)["notebooks"]
    for path in built.lessons():
        text = path.read_text(encoding="utf-8")
        assert text == built.headed(path, found[path.stem]), "run: python -m tools.notebook_table"
        assert f"; {found[path.stem]['streets']['seconds']:.0f} s to run" in text


def test_the_readme_says_how_long_they_take_together():
    words = {3: "three", 4: "four", 5: "five", 6: "six"}
    seconds = sum(runs["streets"]["seconds"] for runs in stored(built.KEPT)["notebooks"].values())
    text = (built.ROOT / "README.md").read_text(encoding="utf-8")
    assert f"after the set-up, about {words[round(seconds / 60)]} minutes on two cores" in text


def test_every_lesson_was_measured_within_its_limits():
    found = stored(built.KEPT)["notebooks"]
    assert sorted(found) == [path.stem for path in built.lessons()]
    for dataset in built.DATASETS:
        assert max(runs[dataset]["private_mb"] for runs in found.values()) <= PRIVATE_MB


def test_the_page_names_the_limits_that_are_tested():
    text = " ".join(built.PAGE.read_text(encoding="utf-8").split())
    assert f"fails above {PRIVATE_MB} MB of its own for one of them" in " ".join(text.split())


def test_every_figure_has_a_text_and_every_lesson_its_exercises():
    for path in built.lessons():
        here = built.counted(path)
        assert here["alt"] == here["figures"] >= 4, path
        assert here["exercises"] >= 3, path


def test_notebooks_with_a_slider_are_opened_in_a_browser():
    for path in built.lessons():
        if path.stem[:2] in ("00", "01", "02", "05", "07"):
            assert built.browser_tests(path.stem), path
