"""Figures: they hold what they should, stay small, and refuse to go without an alt text."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from lcnb import plots
from lcnb.difficulty import DifficultyCounts, difficulty
from lcnb.evaluation import ExitCounts
from lcnb.models import rethreshold
from lcnb.palettes import DIFFICULTY, MODES, STAGES, UNKNOWN, class_colours, stage_colours
from lcnb.plots.style import encode, figure
from tests.conftest import CLASSES


@pytest.fixture
def out(small_cascade, picture):
    with torch.inference_mode():
        return small_cascade(picture[None] / 255, 0.6)


def decoded(data):
    return Image.open(io.BytesIO(data))


def test_three_regions_name_the_classes_of_the_labels(picture, out):
    (legend,) = plots.three_regions(picture, out, CLASSES).legends
    names = [t.get_text() for t in legend.get_texts()]
    assert names[3:] == list(plots.used_classes(CLASSES, out.labels))


def test_to_array_takes_bytes_and_floats(picture):
    assert plots.to_array(picture).shape == (48, 64, 3)
    assert (plots.to_array(picture.float() / 255) == plots.to_array(picture)).all()


def test_stage_overlay_paints_each_pixel_with_its_stage(picture, out):
    painted = plots.stage_overlay(plots.to_array(picture), out, alpha=1.0)
    expected = np.array(STAGES)[out.pixel_stage()[0].numpy()]
    assert (painted == expected).all()


def test_label_map_leaves_unlabelled_white(truth):
    painted = plots.label_map(truth, CLASSES)
    assert (painted[:4] == 255).all()
    assert painted[10, 20].tolist() == list(class_colours(CLASSES)[1])


def test_used_classes_names_what_occurs(truth):
    assert list(plots.used_classes(CLASSES, truth)) == list(CLASSES)
    assert list(plots.used_classes(CLASSES, torch.tensor([[2, 11]]))) == ["Road"]


EXITS = np.array([[1, 0, 0], [0.3, 0.3, 0.4], [0, 0, 1]])
COUNTS = np.array([[5, 3, 2], [1, 1, 1], [0, 0, 0], [9, 0, 0]])
SHARES = np.array([0.5, 0.3, 0.2, 0])
FIGURES = {
    "three_regions": lambda i, m, o, c, g: plots.three_regions(i, o, CLASSES),
    "cumulative": lambda i, m, o, c, g: plots.cumulative_stages([i, i], [o, o], [m, m], CLASSES),
    "exits": lambda i, m, o, c, g: plots.exits_over_rho([0.5, 0.9, 1], EXITS, 0.9),
    "class_exits": lambda i, m, o, c, g: plots.class_exits(c.by_class.numpy(), c.entering_ratio.numpy(), CLASSES),
    "difficulty": lambda i, m, o, c, g: plots.difficulty_map(i, m, g, CLASSES),
    "histogram": lambda i, m, o, c, g: plots.confidence_histogram(torch.rand(48, 64), m == 1),
    "boundary": lambda i, m, o, c, g: plots.boundary_shares([0.1, 0.2, float("nan")]),
    "shares": lambda i, m, o, c, g: plots.shares_by_class(COUNTS, CLASSES),
    "class_shares": lambda i, m, o, c, g: plots.class_shares(SHARES, SHARES / 2, CLASSES),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_draw_without_warnings_and_stay_small(name, picture, truth, out):
    counts = ExitCounts(len(CLASSES), 11, 3)
    counts.update(out.pixel_stage()[0], out.stage[0], truth)
    grade = difficulty(out.labels[0], torch.rand(48, 64), truth, 11)
    drawn = FIGURES[name](picture, truth, out, counts, grade)
    for photo in (True, False):
        data = encode(drawn, photo)
        assert len(data) < 120_000
        assert decoded(data).size[0] > 300
    assert (np.asarray(decoded(encode(drawn, False)).convert("RGB")) < 128).any(axis=2).mean() > 0.001  # not blank


@pytest.mark.parametrize("stages", [2, 4])
def test_figures_of_another_number_of_stages(stages, picture, truth):
    logits = [torch.randn(1, 4, 6, 8) * 3 for _ in range(stages)]
    drawn_out = rethreshold(logits, 0.7)
    counts = ExitCounts(len(CLASSES), 11, stages)
    counts.update(drawn_out.pixel_stage()[0], drawn_out.stage[0], truth)
    exits = drawn_out.exits.expand(3, stages).numpy()
    figures = [
        plots.three_regions(picture, drawn_out, CLASSES),
        plots.cumulative_stages([picture], [drawn_out], [truth], CLASSES),
        plots.exits_over_rho([0.5, 0.9, 1], exits),
        plots.class_exits(counts.by_class.numpy(), counts.entering_ratio.numpy(), CLASSES),
    ]
    assert all(len(encode(f, False)) > 1000 for f in figures)
    assert len(figures[1].axes) == stages + 2
    names = [t.get_text() for t in figures[2].axes[0].get_legend().get_texts()]
    assert names == [f"exits at stage {s + 1}" for s in reversed(range(stages))]
    assert len(set(stage_colours(stages))) == stages
    half, many = np.full((stages, 2), 0.5), np.ones((stages, 2))
    lines = [axis.lines[-1].get_color() for axis in plots.reliability(half, half, many, [0.1] * stages).axes]
    assert len(set(lines)) == stages
    with pytest.raises(ValueError, match="the thresholds of two exits"):
        plots.budget_plane([0.5], np.zeros([1] * (stages - 1)), np.zeros(1), {}, "GMAC")
    assert stage_colours(3) == STAGES


def test_difficulty_overlay_leaves_unlabelled_bare(picture, truth):
    grade = difficulty(truth.long(), torch.ones(48, 64), truth, 11)
    painted = plots.difficulty_overlay(plots.to_array(picture), grade, alpha=1.0)
    assert (painted[10, 10] == np.array(DIFFICULTY["easy"])).all()
    assert not (painted[0] == np.array(DIFFICULTY["easy"])).all()
    counts = DifficultyCounts(4, 11)
    counts.update(grade, truth)
    assert counts.shares.tolist() == [1, 0, 0]


def test_cumulative_shows_undecided_as_unknown(picture, truth, out):
    drawn = plots.cumulative_stages([picture], [out], [truth], CLASSES)
    first, last = (np.asarray(drawn.axes[c].images[0].get_array()) for c in (1, 3))
    undecided = (out.pixel_stage()[0] > 0).numpy()
    assert (first[undecided] == np.array(UNKNOWN)).all()
    assert not (last == np.array(UNKNOWN)).all(axis=2).any()


def test_cumulative_without_masks_has_no_truth_and_names_the_labels(picture, out):
    drawn = plots.cumulative_stages([picture, picture], [out, out], None, CLASSES)
    assert len(drawn.axes) == 2 * 4
    assert [a.get_title(loc="left") for a in drawn.axes[:4]] == ["input", *(f"after stage {s}" for s in (1, 2, 3))]
    names = [t.get_text() for t in drawn.legends[0].get_texts()]
    assert names == [*plots.used_classes(CLASSES, out.labels), "undecided"]


@pytest.mark.parametrize("photo", [True, False])
def test_show_gives_the_notebook_a_picture_with_alt_text(photo, monkeypatch):
    shown = []
    monkeypatch.setattr("lcnb.plots.style.display", lambda picture, metadata: shown.append((picture, metadata)))
    plots.show(figure(3, 2)[0], "An empty pair of axes, for a test.", photo=photo)
    (picture, metadata), kind = shown[0], "jpeg" if photo else "png"
    assert decoded(picture.data).format == kind.upper()
    assert metadata == {f"image/{kind}": {"alt": "An empty pair of axes, for a test."}}


def test_show_refuses_to_go_without_alt_text():
    drawn, _ = figure(3, 2)
    with pytest.raises(ValueError, match="alt text"):
        plots.show(drawn, " ")


def test_show_draws_a_badge_for_each_mode_below_the_figure(monkeypatch):
    monkeypatch.setattr("lcnb.plots.style.display", lambda *_, **__: None)
    drawn = figure(3, 2)[0]
    plots.show(drawn, "An empty pair of axes, for a test.", mode="cached true")
    assert [(t.get_text(), t.get_color()) for t in drawn.texts] == [(w, MODES[w][1]) for w in ("cached", "true")]
    assert all(t.get_position()[1] < 0 for t in drawn.texts)
    assert drawn.texts[0].get_position()[0] < drawn.texts[1].get_position()[0]


def test_a_table_is_markdown_with_numbers_to_the_right_and_badges(monkeypatch):
    shown = []
    monkeypatch.setattr("lcnb.plots.style.display", shown.append)
    plots.table(["rho", "[true] mIoU"], [["a < b", "0.5"]], "of [cached] runs")
    above, gap, head, rule, row = shown[0].data.strip().splitlines()
    assert (above, gap) == (f"of {plots.marked('[cached]')} runs", "")
    assert head == f"| rho | {plots.marked('[true]')} mIoU |"
    assert (rule, row) == ("| --- | ---: |", "| a < b | 0.5 |")


def test_stage_bars_write_their_parts_and_notes():
    rows = [("cached", (0.5, 0.25, 0.25)), ("true", (0.5, 0.03, 0.47))]
    axis = plots.stage_bars(rows, "fraction of cells", ["first", "second"]).axes[0]
    assert [t.get_text() for t in axis.texts] == ["50%", "25%", "25%", "first", "50%", "47%", "second"]
    assert [bar.get_width() for bar in axis.patches] == pytest.approx([0.5, 0.25, 0.25, 0.5, 0.03, 0.47])
    assert [t.get_text() for t in axis.get_yticklabels()] == ["cached", "true"]
