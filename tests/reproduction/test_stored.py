"""Kept results: by name, by path, and a sentence where there is none."""

import json

import pytest

from lcnb import paths
from lcnb.errors import DataError
from lcnb.reproduction import stored


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
        parts = found.get("environments") or list(found.get("loads", {}).values()) or [found]  # measured one by one
        for part in parts:
            assert part["command"].startswith(("lcnb ", "python -m tools.", "python -m pytest ")), path
            assert part["machine"]["cpu"], path
