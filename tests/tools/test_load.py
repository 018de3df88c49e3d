"""Memory under load: the rule, what is kept of it, and (marked `long`) the loads themselves."""

import json
import random

import pytest
from PIL import Image

from tools.load import __main__ as load
from tools.load.figure import digest
from tools.load.samples import KEPT, Curve, came_back, fifths, judge, read, thinned, verdict


def curve(mb, **counts):
    """50 samples; each argument is a function of how far it is, from 0 to 1."""
    rows = [{"at": i, "mb": mb(i / 49), "handles": 10, "threads": 4} for i in range(50)]
    return [row | {name: count(i / 49) for name, count in counts.items()} for i, row in enumerate(rows)]


noise = random.Random(0)
FLAT = {
    "still": lambda t: 800,
    "warm-up": lambda t: 800 + 100 * min(1, 5 * t),
    "noisy": lambda t: 800 + 30 * noise.random(),
    "falling": lambda t: 900 - 100 * t,
    "a spike": lambda t: 800 + 500 * (0.9 < t < 0.93),
}
LEAKING = {
    "a leak": lambda t: 800 + 50 * t,
    "a slow start": lambda t: 800 + 100 * t**3,
    "a step": lambda t: 800 + 40 * (t > 0.5),
    "under noise": lambda t: 800 + 60 * t + 20 * noise.random(),
}


@pytest.mark.parametrize("name", FLAT)
def test_flat_curves_are_called_flat(name):
    found = judge(curve(FLAT[name]))
    assert (found["flat"], found["grew"]) == (True, [])


@pytest.mark.parametrize("name", LEAKING)
def test_leaks_are_found(name):
    """The rule itself: a curve that grows is not called flat."""
    found = judge(curve(LEAKING[name]))
    assert not found["flat"]
    assert found["grew"] == ["memory"]
    assert found["grew_mb"] > 20


@pytest.mark.parametrize("name", ["handles", "threads", "children", "left"])
def test_what_is_counted_must_not_grow_by_one(name):
    found = judge(curve(FLAT["still"], **{name: lambda t: 3 + (t > 0.6)}))
    assert found == {"flat": False, "grew_mb": 0, "grew": [name]}
    assert judge(curve(FLAT["still"], **{name: lambda t: 3}))["flat"]


def test_a_process_comes_back_or_does_not():
    before = {"mb": 100.0, "handles": 8, "threads": 2, "children": 0, "left": 0}
    assert came_back(before, before | {"mb": 119.0})["flat"]
    assert came_back(before, before | {"mb": 121.0})["grew"] == ["memory"]
    assert came_back(before, before | {"left": 1, "threads": 3})["grew"] == ["threads", "left"]


def test_too_few_samples_say_nothing():
    with pytest.raises(ValueError, match="9 samples are too few"):
        fifths(curve(FLAT["still"])[:9])


def test_a_handle_and_a_thread_too_many_are_seen(tmp_path):
    seen = Curve()
    seen.note(0)
    with (tmp_path / "open.txt").open("w"):
        seen.note(1)
    assert seen.samples[1]["handles"] == seen.samples[0]["handles"] + 1
    assert read(seen.process)["mb"] > 10


def test_thinning_keeps_the_ends():
    rows = [{"at": i, "mb": 1.0} for i in range(301)]
    kept = thinned(rows)
    assert len(kept) == KEPT
    assert (kept[0]["at"], kept[-1]["at"]) == (0, 300)
    assert thinned(rows[:7]) == rows[:7]


@pytest.fixture(scope="module")
def kept():
    return json.loads(load.TARGET.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", load.LOADS)
def test_what_is_kept_was_flat(kept, name):
    """The loads measured in docs/results/load.json: each did its work, and the verdict follows from the samples."""
    found = kept["loads"][name]
    assert {key: found[key] for key in ("flat", "grew_mb", "grew")} == verdict(found)
    assert found["flat"]
    assert found["ok"]
    assert 10 <= len(found["samples"]) <= KEPT
    assert all(s["mb"] > 10 for s in found["samples"])
    assert found["command"] == f"python -m tools.load {name}"
    assert found["machine"]["cpu"]
    assert found["machine"]["torch"]


def test_enough_was_done(kept):
    done = {name: found["ran"] for name, found in kept["loads"].items()}
    assert done["kernels-in-sequence"] == 30
    assert done["kernels-at-once"] == 4
    assert (done["film"], done["player"], done["runs"], done["callbacks"]) == (1000, 1000, 2000, 500)
    assert done["slider"] > 1000
    assert kept["loads"]["slider"]["samples"][-1]["at"] >= 290


def test_the_figure_is_that_of_what_is_kept(kept):
    with Image.open(load.FIGURE) as picture:
        assert picture.text["made of"] == digest(kept["loads"]), "run: python -m tools.load --draw"
        assert picture.width < 1000
    assert 10_000 < load.FIGURE.stat().st_size < 150_000
    changed = {name: found | {"title": "another"} for name, found in kept["loads"].items()}
    assert digest(changed) != digest(kept["loads"])


def test_a_load_that_is_none(capsys):
    with pytest.raises(SystemExit, match="2"):
        load.main(["rocks"])
    assert "there is no load 'rocks'; there are kernels-in-sequence" in capsys.readouterr().err
