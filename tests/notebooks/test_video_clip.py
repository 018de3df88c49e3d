"""Notebook 07 takes a clip of the reader's own by its path, and says what is wrong with a broken one."""

import pytest

from lcnb.video import Clip
from tests.cli.conftest import ROOT, spawn
from tests.video.films import film

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_clip_of_ones_own(tmp_path):
    mine = film(tmp_path / "mine.mov", frames=4, size=(90, 160), rate=25)
    out, films = tmp_path / "out", tmp_path / "films"
    films.mkdir()
    done = spawn("run", "07", "-p", f"clip={mine}", "-p", f"out={films}", "--out", out, cwd=ROOT, LCNB_DATA="")
    assert done.returncode == 0, done.stderr
    assert (Clip(films / "mine.mp4").count, Clip(films / "mine.mp4").fps) == (4, 25)
    page = (out / "07_video.html").read_text(encoding="utf-8")
    assert "mine.mov: 160x90, 4 frames, 25 a second: dense" in page
    assert page.count("<video") == 2


def test_a_broken_clip_stops_the_run_with_a_sentence(tmp_path):
    mine = tmp_path / "mine.mp4"
    mine.write_text("Dear reader, this is no film.")
    done = spawn("run", "07", "-p", f"clip={mine}", "--out", tmp_path / "out", cwd=ROOT, LCNB_DATA="")
    assert done.returncode == 1
    assert "mine.mp4 is no video" in done.stdout + done.stderr
