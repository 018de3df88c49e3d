"""Notebook 07 as a reader meets it: the film plays, and the live player truly runs both networks."""

import re

import pytest

from tests.browser.lab import look, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]


def test_film_and_live_player(open_notebook, record_property):
    notebook = open_notebook("07_video")
    notebook.run_all()
    assert notebook.errors() == []
    page = notebook.page

    # The film that the notebook wrote is one that a browser plays.
    film = page.locator("video.lcnb-film").first
    film.scroll_into_view_if_needed()
    wait_until(lambda: film.evaluate("v => v.readyState") >= 2, 30, what="the film's first picture")
    assert film.evaluate("v => [v.videoWidth, v.error]") == [1008, None]
    assert film.evaluate("v => v.duration") > 4
    film.evaluate("v => v.play()")
    wait_until(lambda: film.evaluate("v => v.currentTime") > 0.3, 30, what="the film to play")
    film.evaluate("v => v.pause()")

    # The player: its counters come from runs, so they change; frames that it misses are counted.
    player = page.locator(".lcnb-player").first
    player.scroll_into_view_if_needed()
    picture, readout = player.locator(".lcnb-image").first, player.locator(".lcnb-readout").first

    def told(name):
        found = re.search(rf'data-{name}="([\d.]+)"', readout.inner_html())
        return float(found[1]) if found else -1.0

    wait_until(lambda: told("frame") == 0, 30, what="the first frame")
    before = look(picture)
    play = player.locator(".jupyter-widget-play button, .widget-play button").first
    play.click()
    wait_until(lambda: told("frame") >= 5, 60, what="the player to go on")
    play.click()
    assert look(picture) != before
    assert min(told("dense"), told("cascade")) > 0
    record_property("live_fps", {side: told(side) for side in ("dense", "cascade")})
    assert told("missed") >= 0

    # By keyboard: the frame slider moves both ways.
    wait_until(lambda: told("frame") == float(player.locator(".noUi-handle").first.get_attribute("aria-valuenow")), 30)
    seen = told("frame")
    player.locator(".noUi-handle").first.focus()
    page.keyboard.press("ArrowRight")
    wait_until(lambda: told("frame") == seen + 1, 30, what="the next frame after a key")

    # One of them alone.
    player.locator("select").first.select_option("cascade alone")
    wait_until(lambda: told("dense") == -1 and told("cascade") > 0, 30, what="the cascade alone")
