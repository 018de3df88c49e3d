"""A verdict follows from the numbers: the same claim is judged on numbers that agree, half agree and disagree."""

import copy

import pytest

from lcnb.reproduction import ledger, paper, stored


def sweep(gap, low, high, exits=((0.23, 0.29, 0.48), (0.56, 0.29, 0.15))):
    """Table 1 of three thresholds."""
    rows = [{"rho": 1.0, "exits_true": [0, 0, 1], "miou_true": 0.6, "miou_cached": 0.6, "saved": 0.0}]
    for rho, left in zip((0.985, 0.8), exits, strict=True):
        interval = {"value": gap, "low": low, "high": high}
        rows.append({"rho": rho, "exits_true": list(left), "miou_true": 0.6 + gap, "miou_cached": 0.6, "saved": 0.3})
        rows[-1]["true_minus_dense"] = interval
    return {"rows": rows}


@pytest.mark.parametrize(
    ("gap", "low", "high", "word"),
    [(0.01, 0.004, 0.02, "reproduced"), (0.001, -0.004, 0.006, "partly"), (-0.01, -0.02, -0.004, "not reproduced")],
)
def test_a_difference_is_judged_by_its_interval(gap, low, high, word):
    assert ledger.exits_cost_nothing(sweep(gap, low, high)).word == word
    table = {"differences": {"lc - dsn": {"value": gap, "low": low, "high": high}}}
    assert ledger.ahead_of("dsn")(table).word == word


@pytest.mark.parametrize(
    ("exits", "word"),
    [
        (((0.25, 0.3, 0.45), (0.6, 0.2, 0.2)), "reproduced"),
        (((0.45, 0.05, 0.5), (0.6, 0.2, 0.2)), "partly"),
        (((0.25, 0.3, 0.45), (0.2, 0.1, 0.7)), "not reproduced"),
        (((0.1, 0.1, 0.8), (0.2, 0.1, 0.7)), "not reproduced"),
    ],
)
def test_exits(exits, word):
    assert ledger.half_leaves_early(sweep(0, 0, 0, exits)).word == word


@pytest.mark.parametrize(
    ("shares", "word"),
    [((0.06, 0.2, 0.7), "reproduced"), ((0.02, 0.4, 0.9), "partly"), ((0.3, 0.2, 0.7), "not reproduced")],
)
def test_boundaries(shares, word):
    rows = [
        {"grade": g, "share": 0.1, "boundary_share": s, "interval": {"low": s - 0.01, "high": s + 0.01}, "paper": p}
        for (g, p), s in zip(paper.F1.items(), shares, strict=True)
    ]
    assert ledger.boundaries_are_hard({"rows": rows}).word == word


@pytest.mark.parametrize(
    ("lows", "word"), [((0.001, 0.002), "reproduced"), ((-0.001, 0.002), "partly"), ((-0.03, 0.002), "not reproduced")]
)
def test_the_experiment_is_judged_where_it_does_best_in_every_seed(lows, word):
    def compared(low, **about):
        found = {"what": "cascade - deep, dense", "unit": "multiply-adds", "cost": 0.7, "halo": 1} | about
        return found | {"interval": {"value": low + 0.01, "low": low, "high": low + 0.02}}

    worse = [compared(-0.5, cost=0.5), compared(0.5, unit="time"), compared(0.5, what="cascade - deep")]
    finding = ledger.ahead_at_less_work({"seeds": [{"comparisons": [*worse, compared(low)]} for low in lows]})
    assert finding.word == word
    assert "at 70% of the multiply-adds and a halo of 1, the best of 2 settings" in finding.measured


@pytest.mark.parametrize(
    ("late", "word"),
    [((0.5, 0.2), "reproduced"), ((0.5, 0.37), "partly"), ((0.4, 0.2), "partly"), ((0.3, 0.3), "not reproduced")],
)
@pytest.mark.parametrize("table", ["T2", "F1"])
def test_classes_at_stage_3(table, late, word):
    by_class = {"cow": [0, 0, late[0]], "sky": [0, 0, late[1]], "bus": [None, None, None]}
    found = {"table": table, "rows": [{"row": "lc", "exits": [0.6, 0.1, 0.3], "exits_by_class": by_class}]}
    if table == "F1":
        found |= {"exits": [{"share": s} for s in (0.6, 0.1, 0.3)], "exits_by_class": by_class, "rows": []}
    finding = ledger.classes_differ(found)
    assert finding.word == word
    assert finding.measured.startswith(f"cow {late[0] / 0.3:.2f} times") or late[0] == late[1]


@pytest.mark.parametrize(
    ("fast", "word"),
    [((15, 21, 5, 1), "reproduced"), ((15, 30, 16, 1), "partly"), ((15, 32, 5, 1), "not reproduced")],
)
def test_times_by_stage(fast, word):
    found = {"rows": [{"rho": 0.985, "ms_stages": [15, 31, 18, 1]}, {"rho": 0.8, "ms_stages": list(fast)}]}
    assert ledger.stages_get_cheaper(found).word == word


@pytest.mark.parametrize(("ratio", "word"), [(2.0, "reproduced"), (1.6, "partly"), (1.1, "not reproduced")])
def test_speed_over_a_rival(ratio, word):
    row = {"system": "lc", "speed_over_deeplab_v2": ratio, "multiply_adds_below_deeplab_v2": 1.72}
    assert ledger.faster_than_deeplab("lc", 2.15)({"results": [row]}).word == word


def test_a_changed_result_changes_the_verdict(monkeypatch):
    (claim,) = [c for c in ledger.CLAIMS if c.results == ("T6-voc-paper",)]
    assert claim.finding().word == "reproduced"
    found = copy.deepcopy(stored("T6-voc-paper"))
    found["rows"][0]["parameters_m"] = 40.0
    monkeypatch.setattr(ledger, "stored", lambda name: found)
    assert claim.finding().word == "not reproduced"


def test_printed_scores_by_class_are_whole():
    for system, row in paper.SCORES.items():
        assert len(row) == len(paper.CLASSES) + 1, system
        *classes, mean = row
        background = 21 * mean - sum(classes)  # is part of the mean and not printed
        assert 80 < background < 100, (system, background)
