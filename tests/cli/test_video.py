"""`lcnb video`: a film of both networks, and its numbers."""

import json
import re

import av
import numpy as np
import pytest

from lcnb.video import Clip, write_video
from tests.video.films import film


@pytest.fixture
def clip(home):
    return film(home / "clip.mp4", frames=7)


def test_writes_a_film_and_says_what_was_measured(lcnb, data, home, clip):
    out = lcnb.ok("video", "clip.mp4", "--out", "new/film.mp4", "--weights", "tiny", "--every", 2, "--json", "x.json")
    with av.open(str(home / "new" / "film.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.frames, float(stream.average_rate)) == (4, 5.0)
    for words in (
        "4 frames of 64x48",
        " FPS",
        "ratio of medians",
        "inside the time: frame to floats",
        "decoding",
        "machine: ",
    ):
        assert words in out
    found = json.loads((home / "x.json").read_text())
    assert (found["frames"], found["rho"], found["weights"]) == (4, 0.5, "tiny")
    assert len(found["ms"]["dense"]) == len(found["ms"]["cascade"]) == 4
    assert found["dense_form"] in ("rho = 1", "plain")
    assert found["command"] == "lcnb video clip.mp4 --out new/film.mp4 --weights tiny --every 2 --json x.json"
    assert {"cpu", "threads"} <= found["machine"].keys()


def test_options(lcnb, data, home):
    film(home / "large.mp4", size=(96, 128))
    arguments = ["--weights", "tiny", "--rho", "0", "1", "--max-frames", "2", "--longest", "64", "--json", "x.json"]
    assert lcnb("video", "large.mp4", "--out", "film.mp4", *arguments)[0] == 0
    found = json.loads((home / "x.json").read_text())
    assert (found["frames"], found["size"], found["exits"]) == (2, [48, 64], [1.0, 0.0, 0.0])
    assert Clip(home / "film.mp4", None).count == 2


def test_a_film_without_a_name_takes_the_clips_and_replaces_nothing(lcnb, data, home, clip):
    (home / "clip-cascade.mp4").write_text("kept")
    code, out, _ = lcnb("video", "clip.mp4", "--weights", "tiny", "--max-frames", 1)
    assert (code, (home / "clip-cascade.mp4").read_text()) == (0, "kept")
    assert "written to clip-cascade-2.mp4" in out
    assert Clip(home / "clip-cascade-2.mp4", None).count == 1


def test_what_could_be_read_of_a_damaged_clip_becomes_a_film(lcnb, data, home):
    noise = np.random.default_rng(0).integers(0, 256, (30, 48, 64, 3), dtype=np.uint8)
    write_video(home / "cut.mp4", noise, 10)
    (home / "cut.mp4").write_bytes((home / "cut.mp4").read_bytes()[:40_000])
    code, out, error = lcnb("video", "cut.mp4", "--out", "film.mp4", "--weights", "tiny", "--json", "x.json")
    assert code == 1
    assert re.search(r"the film is partial: cut\.mp4 is (damaged|cut off): .*; get it again", error)
    assert "written to film.mp4" in out
    found = json.loads((home / "x.json").read_text())
    assert found["partial"] in error
    assert Clip(home / "film.mp4", None).count == found["frames"] > 3
