"""The live player: it truly runs what is chosen, finishes what it began, and counts what it missed."""

import asyncio
import io
import threading

import pytest
import torch
from PIL import Image

from lcnb.video import Duel
from lcnb.widgets import LivePlayer, progress
from lcnb.widgets.player import Latest
from tests.conftest import CLASSES
from tests.widgets.conftest import told, until


@pytest.fixture
def opened():
    """How many times the film was opened."""
    return []


@pytest.fixture
def player(small_cascade, opened):
    def frames():
        opened.append(1)
        for k in range(10):
            yield torch.full((3, 48, 64), 20 * k, dtype=torch.uint8)

    return LivePlayer(Duel(small_cascade, 0.6), frames, 10, 10, CLASSES)


def test_shows_the_first_frame_at_once(player):
    assert told(player, "frame") == "0"
    assert min(float(told(player, side)) for side in ("dense", "cascade")) > 0
    assert Image.open(io.BytesIO(player.image_view.value)).width > 900
    assert (player.play.max, player.play.interval) == (9, 100)


def test_goes_on_and_counts_what_passed_by(player, opened):
    before = player.image_view.value
    for number in (1, 4, 5):
        player.play.value = number
    assert (told(player, "frame"), told(player, "missed")) == ("5", "2")
    assert player.seen == 4
    assert player.image_view.value != before
    assert opened == [1]  # read on, never from the start
    player.play.value = 2  # back: the film starts anew, and nothing is missed by that
    assert (told(player, "frame"), told(player, "missed"), opened) == ("2", "2", [1, 1])


def test_runs_the_one_that_is_chosen(player):
    player.choice.value = "cascade alone"
    assert "data-cascade" in player.readout.value
    assert "data-dense" not in player.readout.value
    player.choice.value = "dense alone"
    assert "data-cascade" not in player.readout.value
    assert player.seen == 1


def test_a_film_shorter_than_it_says_stays_at_its_last_frame(small_cascade):
    frames = [torch.zeros(3, 48, 64, dtype=torch.uint8)]
    player = LivePlayer(Duel(small_cascade, 0.6), lambda: iter(frames), 10, 10, CLASSES)
    player.play.value = 7
    assert told(player, "frame") == "7"


def test_a_damaged_film_is_a_sentence(small_cascade):
    def frames():
        yield torch.zeros(3, 48, 64, dtype=torch.uint8)
        raise RuntimeError("x.mp4 is <damaged>")

    player = LivePlayer(Duel(small_cascade, 0.6), frames, 10, 10, CLASSES)
    player.play.value = 3
    assert told(player, "mode") == "error"
    assert "x.mp4 is &lt;damaged&gt;" in player.readout.value


def test_latest_finishes_what_runs_and_skips_what_is_old():
    started, done, release = [], [], threading.Event()

    def work(value):
        started.append(value)
        if value == "first":
            release.wait(5)
        return value

    async def play():
        latest = Latest(work, done.append, done.append)
        for value in ("first", "second", "third"):
            latest(value)
        await until(lambda: started)
        release.set()
        await until(lambda: len(done) == 2)

    asyncio.run(play())
    assert started == done == ["first", "third"]


def test_latest_goes_on_behind_an_error():
    done, failed = [], []
    latest = Latest(lambda v: 1 / v, done.append, failed.append)
    for value in (0, 2):
        latest(value)
    assert done == [0.5]
    assert isinstance(failed[0], ZeroDivisionError)


@pytest.mark.parametrize(("total", "words"), [(3, "3 frames, done"), (None, "3 frames, done"), (0, "3 frames, done")])
def test_progress_hands_items_on_and_ends_full(monkeypatch, total, words):
    shown = []
    monkeypatch.setattr("lcnb.widgets.controls.display", shown.append)
    assert list(progress(iter("abc"), total, "frames")) == ["a", "b", "c"]
    bar, text = shown[0].children
    assert bar.value == bar.max
    assert text.value == words
