"""The README's moving picture is there, moves, is small, and is the one that its record describes."""

import json
import statistics

import numpy as np
import pytest
from PIL import Image

from tools import moving_picture
from tools.moving_picture import PICTURE, RESULT, animated, sha256, weights_digest


@pytest.fixture(scope="module")
def record():
    return json.loads(RESULT.read_text(encoding="utf-8"))


def test_it_moves_and_is_small(record):
    assert PICTURE.stat().st_size <= 3_000_000
    with Image.open(PICTURE) as picture:
        assert picture.format == "WEBP"
        assert picture.is_animated
        assert picture.n_frames == record["picture"]["frames"] >= 20
        assert picture.width <= 1012  # the width of GitHub's page
        first = np.array(picture.convert("RGB")).astype(int)
        picture.seek(picture.n_frames // 2)
        assert np.abs(np.array(picture.convert("RGB")).astype(int) - first).mean() > 2


def test_the_record_is_of_this_picture_these_weights_and_these_times(record):
    assert record["picture"]["sha256"] == sha256(PICTURE.read_bytes())
    assert record["weights_sha256"] == weights_digest()
    medians = {side: statistics.median(times) for side, times in record["ms"].items()}
    for side, median in medians.items():
        assert len(record["ms"][side]) == record["frames"]
        assert record["fps"][side] == pytest.approx(1000 / median, rel=1e-3)
    assert record["speedup"] == pytest.approx(medians["dense"] / medians["cascade"], rel=1e-3)
    assert record["picture"]["frames"] == -(-record["frames"] // record["picture"]["every"])
    assert {"cpu", "cores", "threads", "date"} <= record["machine"].keys()
    assert "busy" in record["load"]
    assert record["command"].startswith("python -m tools.moving_picture")


def test_the_quality_falls_until_it_is_small_enough(monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, (3, 64, 96, 3), dtype=np.uint8)
    large, best = animated(noise, 100)
    monkeypatch.setattr(moving_picture, "LIMIT", len(large) - 1)
    small, lower = animated(noise, 100)
    assert len(small) < len(large)
    assert lower < best
    monkeypatch.setattr(moving_picture, "LIMIT", 10)
    with pytest.raises(SystemExit, match="draw fewer"):
        animated(noise, 100)
