"""The training figures show every number they are given."""

import pytest

from lcnb import plots

ROWS = [
    {"step": 20, "phase": "deep", "loss": 3.0, "images_per_s": 9.0},
    {"step": 40, "phase": "deep", "loss": 2.0, "images_per_s": 9.0, "miou_stage1": 0.2, "miou_true": 0.3},
    {"step": 50, "phase": "cascade", "loss": 2.5, "images_per_s": 12.0, "miou_stage1": 0.25, "miou_true": 0.35},
]


def test_curves_of_loss_and_miou_and_where_step_two_begins():
    left, right = plots.training_curves(ROWS).axes
    assert list(left.lines[0].get_ydata()) == [3.0, 2.0, 2.5]
    named = {line.get_label(): list(line.get_ydata()) for line in right.lines}
    assert named["stage 1 alone"] == [0.2, 0.25]
    assert named["cascade, true run"] == [0.3, 0.35]
    assert [list(line.get_xdata()) for line in right.lines][-1] == [40, 40]
    assert [t.get_text().strip() for t in left.texts] == ["step two"]


@pytest.mark.parametrize("rows", [ROWS[:1], []])
def test_before_the_first_score_there_is_a_figure_too(rows):
    assert len(plots.training_curves(rows).axes) == 2


TABLE = {
    "rows": [
        {"row": "dsn", "title": "DSN: every stage supervised on every pixel", "miou": 0.5,
         "interval": {"low": 0.45, "high": 0.53}},
        {"row": "hard", "title": "control", "miou": 0.49, "interval": None},
        {"row": "lc", "title": "layer cascade", "miou": 0.52, "interval": {"low": 0.48, "high": 0.55}},
    ],
    "differences": {
        "lc - dsn": {"value": 0.02, "low": 0.01, "high": 0.03, "excludes_zero": True},
        "lc - hard": {"value": 0.03, "low": -0.01, "high": 0.05, "excludes_zero": False},
    },
}  # fmt: skip


def test_ablation_shows_rows_in_order_and_a_hollow_point_where_zero_is_inside():
    left, right = plots.ablation(TABLE).axes
    assert [t.get_text() for t in left.get_yticklabels()] == [
        "DSN: every stage supervised on every\npixel", "control", "layer cascade",
    ]  # fmt: skip
    assert [list(line.get_xdata()) for line in left.lines] == [[0.45, 0.53], [0.5], [0.49], [0.48, 0.55], [0.52]]
    points = [line for line in right.lines if line.get_marker() == "o"]
    assert [(list(p.get_xdata()), list(p.get_ydata())) for p in points] == [([0.02], [2]), ([0.03], [1])]
    assert [p.get_markerfacecolor() == "white" for p in points] == [False, True]


def test_the_price_of_exits_in_points_by_what_is_saved():
    rows = [{"rho": r, "saved": s, "miou_true": m} for r, s, m in ((1, 0, 0.7), (0.9, 0.5, 0.65), (0.985, 0.3, 0.71))]
    (axis,) = plots.price_of_exits({"one": rows}, 0.985).axes
    _, line, ring = axis.lines
    assert list(line.get_xdata()) == [0, 30, 50]
    assert list(line.get_ydata()) == pytest.approx([0, 1, -5])
    assert (ring.get_markevery(), line.get_label()) == ([False, True, False], "one")


def test_the_experiment_has_a_mark_for_each_seed_and_none_where_a_cost_was_not_reached():
    def one(halo, value, unit="multiply-adds"):
        interval = value and {"value": value, "low": value - 0.01, "high": value + 0.02}
        return {"what": "cascade - deep", "halo": halo, "cost": 0.5, "unit": unit, "interval": interval}

    seeds = [
        {"seed": 0, "comparisons": [one(0, 0.01), one(1, None), one(2, None), one(1, 0.5, "time")]},
        {"seed": 2, "comparisons": [one(0, -0.02), one(1, 0.03), one(2, None), one(1, 0.5, "time")]},
    ]
    (axis,) = plots.at_equal_cost({"seeds": seeds}, ["cascade - deep"]).axes
    assert [t.get_text() for t in axis.get_yticklabels()] == [f"cascade - deep, halo {h}, at 50%" for h in (0, 1)]
    marks = {line.get_label(): list(line.get_xdata()) for line in axis.lines[1:]}
    assert marks == {"seed 0": [1.0], "seed 2": pytest.approx([-2, 3])}
    assert [[list(end[:, 0]) for end in bars.get_segments()] for bars in axis.collections] == [
        [pytest.approx([0, 3])],
        [pytest.approx([-3, 0]), pytest.approx([2, 5])],
    ]
