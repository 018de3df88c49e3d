"""A part is found again only for what it was measured for; kept results by name and by path."""

import json

import pytest
import torch

from lcnb import paths
from lcnb.errors import DataError
from lcnb.reproduction.store import Store, digest, stored

COUNTS = torch.arange(12).view(3, 2, 2)


def test_a_part_comes_back(tmp_path):
    Store(tmp_path / "parts", {"rho": 0.5}).put(
        "one", {"miou": 0.25}, {"counts": COUNTS.transpose(1, 2)}, images=[0, 3]
    )
    numbers, tensors = Store(tmp_path / "parts", {"rho": 0.5}).get("one", images=[0, 3])
    assert numbers == {"miou": 0.25}
    assert tensors["counts"].equal(COUNTS.transpose(1, 2))
    assert [p.name for p in (tmp_path / "parts").iterdir()] == ["one.safetensors"]


@pytest.mark.parametrize(("about", "part"), [({"rho": 0.6}, {"n": 1}), ({"rho": 0.5}, {"n": 2}), ({}, {"n": 1})])
def test_another_measurement_is_not_taken_for_it(about, part, tmp_path):
    Store(tmp_path, {"rho": 0.5}).put("one", {}, {"counts": COUNTS}, n=1)
    assert Store(tmp_path, about).get("one", **part) is None


def test_missing_or_damaged_parts_are_measured_again(tmp_path):
    store = Store(tmp_path, {})
    assert store.get("one") is None
    store.put("one", {}, {"counts": COUNTS})
    file = tmp_path / "one.safetensors"
    file.write_bytes(file.read_bytes()[:40])
    assert store.get("one") is None
    store.put("one", {"again": 1}, {"counts": COUNTS})
    assert store.get("one")[0] == json.loads('{"again": 1}')


def test_the_digest_sees_values_names_and_kinds_and_nothing_else():
    state = {"a": torch.rand(2, 3), "b": torch.tensor(3)}
    again = {"b": state["b"].clone(), "a": state["a"].t().contiguous().t()}
    assert digest(state) == digest(again)
    for other in (
        {**state, "a": state["a"] + 1e-6},
        {"c": state["a"], "b": state["b"]},
        {**state, "a": state["a"].view(3, 2)},
        {**state, "b": torch.tensor(3, dtype=torch.int32)},
    ):
        assert digest(other) != digest(state)


def test_by_name_and_by_path(tmp_path):
    result = tmp_path / "mine.json"
    result.write_text(json.dumps({"rows": []}))
    assert stored(result) == stored(str(result)) == {"rows": []}
    assert stored("streets-small-on-camvid-val")["dataset"] == "camvid"


def test_missing_and_damaged(tmp_path):
    with pytest.raises(DataError, match=r"no result at .*T9.json; in .*streets-small-on-camvid-val.*lcnb reproduce"):
        stored("T9")
    (tmp_path / "cut.json").write_text('{"rows": [')
    with pytest.raises(DataError, match=r"cut.json is damaged"):
        stored(tmp_path / "cut.json")


def test_every_kept_result_can_be_read_and_says_how_it_was_measured():
    for path in (paths.checkout() / "docs" / "results").glob("*.json"):
        found = stored(path.stem)
        for part in found.get("environments") or [found]:
            assert part["command"].startswith(("lcnb ", "python -m tools.", "python -m pytest ")), path
            assert part["machine"]["cpu"], path
