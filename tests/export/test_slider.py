"""The slider without a kernel: exact at every stop, small, and closed to the outside."""

import re

import numpy as np
import pytest
import torch

import lcnb
from lcnb.export import RHOS, cached_view, canvas_slider, standalone
from lcnb.models import StageLogits, cascade_cost, rethreshold
from tests.conftest import CLASSES
from tests.export.decoder import Decoded

REQUEST = re.compile(r"""(?:src|href)\s*=\s*["'](?!data:)|url\(|@import|fetch\(|XMLHttp|import\s*\(|//[a-z]+\.""")


@pytest.fixture(scope="module")
def logits(small_cascade, picture):
    with torch.inference_mode():
        return small_cascade.all_stages(picture[None].float() / 255)


@pytest.fixture(scope="module")
def cost(small_cascade, picture):
    return cascade_cost(small_cascade, *picture.shape[1:])


@pytest.fixture(scope="module")
def fragment(picture, logits, cost, truth):
    return canvas_slider(picture, logits, CLASSES, cost, rho=0.6, mask=truth, ignore_index=11)


def compare(html, logits, cost):
    """Every stop of a page against `rethreshold`."""
    decoded, stages = Decoded(html), set()
    for stop, rho in enumerate(decoded.data["stops"]):
        out = rethreshold(logits, rho)
        assert np.array_equal(decoded.stage(stop), out.stage[0])
        assert np.array_equal(decoded.labels[stop], out.labels[0])
        assert decoded.saved(stop) == pytest.approx(1 - float(cost.of(out.work)[0]) / cost.dense, abs=1e-6)
        stages |= set(out.stage.unique().tolist())
    assert stages == {0, 1, 2}  # else this would show little
    assert np.array_equal(decoded.dense, rethreshold(logits, 1.0).labels[0])
    for s, maps in enumerate(logits):
        best = maps[0].softmax(0).topk(3, dim=0)
        assert np.array_equal(decoded.tops[0, s], best.indices)
        assert np.abs(decoded.tops[1, s] / 255 - best.values.numpy()).max() <= 0.501 / 255
    return decoded


def test_every_stop_is_what_rethreshold_says(fragment, logits, cost, truth):
    decoded = compare(fragment, logits, cost)
    assert decoded.data["stops"] == sorted({*RHOS, 0.6})
    assert decoded.data["stops"][decoded.data["start"]] == 0.6
    assert np.array_equal(decoded.truth, np.where(truth == 11, 255, truth))


def test_a_street_is_exact_too_and_takes_about_100_kb():
    cascade, data = lcnb.load("streets-small"), lcnb.load_dataset("streets", "val")
    image, _ = data[0]
    with torch.inference_mode():
        logits = cascade.all_stages(image[None].float() / 255)
    cost = cascade_cost(cascade, *image.shape[1:])
    html = canvas_slider(image, logits, data.spec.classes, cost)
    compare(html, logits, cost)
    assert 60_000 < len(html) < 125_000


def test_ties_saturation_and_the_ends_decide_as_in_the_ledger():
    stops = [0.0, 0.25, 0.5, 1.0]
    scores = torch.tensor([[[0.0, 200.0, 0.0], [0.1, -5.0, 1.0]]])  # two classes; 0.5 exactly, and 1 exactly
    one = torch.stack([torch.zeros(1, 2, 3), scores], dim=1)
    view = cached_view([one, one.flip(3)], stops)
    assert view.counts[0, 0].tolist() == [2, 3, 2]  # 0.5 is not strictly above 0.5; at rho = 1 no cell exits
    for stop, rho in enumerate(stops):
        out = rethreshold([one, one.flip(3)], rho)
        assert np.array_equal(view.stage(stop), out.stage[0])
        assert view.exits(stop) == pytest.approx(out.exits[0].tolist())


@pytest.mark.parametrize("size", [(8, 8), (41, 67), (1, 9)])
def test_odd_sizes(small_cascade, size):
    image = torch.randint(256, (3, *size), dtype=torch.uint8)
    with torch.inference_mode():
        logits = small_cascade.all_stages(image[None].float() / 255)
    decoded = Decoded(canvas_slider(image, logits, CLASSES, cascade_cost(small_cascade, *size), rho=0.7))
    assert np.array_equal(decoded.labels[9], rethreshold(logits, decoded.data["stops"][9]).labels[0])


def test_two_stages_and_five_are_possible(picture, logits, cost):
    for maps in (logits[:2], [*logits, *logits[1:]]):
        view = cached_view(StageLogits(maps, picture.shape[1:]))
        out = rethreshold(maps, 0.6, size=picture.shape[1:])
        assert np.array_equal(view.stage(view.stops.index(0.6)), out.stage[0])


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("rho is a probability", lambda picture, logits, cost: cached_view(logits, [0.5, 1.5])),
        (
            "one image at two stages or more, got 2 images",
            lambda picture, logits, cost: cached_view([torch.cat([m, m]) for m in logits]),
        ),
        ("1 to 255 stops, got 0", lambda picture, logits, cost: cached_view(logits, [])),
        ("4 classes, but 1 names", lambda picture, logits, cost: canvas_slider(picture, logits, ["one"], cost)),
        ("the image has shape", lambda picture, logits, cost: canvas_slider(picture[:, 1:], logits, CLASSES, cost)),
    ],
)
def test_what_does_not_fit_is_refused(words, call, picture, logits, cost):
    with pytest.raises(ValueError, match=words):
        call(picture, logits, cost)


def test_it_says_that_it_shows_the_cached_view_also_where_no_script_runs(fragment):
    visible = re.sub(r"<(script|style).*?</\1>", "", fragment, flags=re.DOTALL)
    assert "Cached view:" in visible
    assert "no network runs here" in visible
    assert re.search(r"at ρ = 0\.6 · multiply-adds saved: <b>\d+%", visible)
    assert "nothing to drag" in visible


def test_names_cannot_end_the_script(picture, logits, cost):
    """Names of classes that are HTML: they cannot end the script of the slider's page"""
    names = ["</script><script>alert(1)", *CLASSES[1:]]
    html = canvas_slider(picture, logits, names, cost, rho=0.6)
    assert html.count("<script") == 2
    assert Decoded(html).data["classes"] == names


def test_a_page_asks_for_nothing_and_forbids_it(fragment):
    page = standalone(fragment, "A & B", about="digest 1")
    assert not REQUEST.search(page)
    assert "default-src 'none'" in page
    assert "<title>A &amp; B</title>" in page
    assert '<meta name="lcnb" content="digest 1">' in page
