"""What the widgets compute; how they feel is tested in a browser."""

import asyncio
import copy
import io
import threading

import numpy as np
import pytest
import torch
from PIL import Image

from lcnb.difficulty import difficulty
from lcnb.running.scrub import WIDGET
from lcnb.widgets import (
    DifficultyExplorer,
    PhotoExplorer,
    RegionExplorer,
    ThresholdExplorer,
    TrainingCurve,
    decode_photo,
)
from lcnb.widgets.controls import NumberSlider
from lcnb.widgets.debounce import Debounced
from lcnb.widgets.explorer import Canvas
from tests.conftest import CLASSES
from tests.widgets.conftest import told, until


def jpeg_bytes(size=(40, 24), exif=None, mode="RGB", kind="JPEG"):
    buffer = io.BytesIO()
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8))
    picture.convert(mode).save(buffer, kind, **({"exif": exif} if exif else {}))
    return buffer.getvalue()


def test_number_and_slider_follow_each_other():
    seen = []
    control = NumberSlider("threshold", (0.5, 0.9, 1.0), 0.9, lambda: seen.append(control.value))
    control.slider.value = 0.5
    assert control.value == 0.5
    control.number.value = 0.87  # between the stops
    assert (control.value, control.slider.value) == (0.87, 0.9)
    assert seen == [0.5, 0.87]
    control.number.value = 7  # clamped by the widget
    assert control.value == 1


def test_what_names_a_slider_finds_its_parts():
    """The script runs in a browser only (tests/browser); here: it is there, unseen, and what it looks for exists."""
    control = NumberSlider("threshold", (0.5, 1.0), 0.5, lambda: None)
    (output,) = control.spoken.outputs
    script = output["data"]["application/javascript"]
    assert control.spoken.layout.display == "none"
    for part, name in ((control, "lcnb-control"), (control.number, "lcnb-number")):
        assert name in part._dom_classes
        assert f".{name}" in script


def ask(widget, *values, image=0, run=True):
    """What the browser does when a slider is released."""
    widget.canvas.asked = {"image": image, "values": list(values), "run": run, "turn": widget.canvas.asked["turn"] + 1}


def shown(widget):
    """(stages of the cells, labels of the pixels) as the browser gets them."""
    view, frame = widget.canvas.view, widget.canvas.frame
    stage, labels = (np.frombuffer(frame[name], dtype=np.uint8) for name in ("stage", "labels"))
    return stage.reshape(view["grid"]), labels.reshape(view["size"])


def test_explorer_shows_the_true_run_of_the_threshold(small_cascade, picture, truth):
    widget = ThresholdExplorer(small_cascade, [picture], CLASSES, 0.6, masks=[truth], ignore_index=11)
    for rho in (0.6, 0.0, 0.612):  # no event loop here: it runs at once
        ask(widget, rho)
        with torch.inference_mode():
            expected = small_cascade(picture[None] / 255, rho)
        stage, labels = shown(widget)
        assert (widget.canvas.frame["mode"], widget.output.mode, widget.rho) == ("true", "true", (rho, rho))
        assert np.array_equal(stage, expected.stage[0])
        assert np.mean(labels == expected.labels[0].numpy()) > 0.999  # another form may round otherwise
        assert widget.canvas.frame["work"] == pytest.approx(expected.work[0].tolist())
        assert 0 <= widget.canvas.frame["miou"] <= 1


def test_explorer_sends_cached_frames_only_where_the_browser_has_none(small_cascade, picture):
    widget = ThresholdExplorer(small_cascade, [picture], CLASSES, 0.6, per_exit=True)
    before = widget.canvas.frame
    ask(widget, 0.5, 0.5, run=False)
    assert widget.canvas.frame is before
    ask(widget, 1.0, 0.0, run=False)
    assert (widget.canvas.frame["mode"], widget.rho) == ("cached", (1.0, 0.0))
    assert (shown(widget)[0] == 1).all()
    ask(widget, 0.612, 0.612, run=False)  # between the stops
    with torch.inference_mode():
        expected = small_cascade.rethreshold(small_cascade.all_stages(picture[None] / 255), 0.612)
    assert np.array_equal(shown(widget)[0], expected.stage[0])
    assert np.array_equal(shown(widget)[1], expected.labels[0])


def test_explorer_changes_its_image(small_cascade, picture):
    widget = ThresholdExplorer(small_cascade, [picture, 255 - picture], CLASSES, 0.6, cumulative=True)
    before = widget.canvas.view["packed"]
    ask(widget, 0.7, image=1)
    assert widget.canvas.view["packed"] != before
    assert (widget.canvas.frame["image"], widget.canvas.frame["miou"]) == (1, None)
    assert [kind for _, kind in widget.canvas.view["panels"]] == ["image", "0", "1", "2"]


def test_a_failing_true_run_is_a_sentence(small_cascade, picture, monkeypatch):
    widget = ThresholdExplorer(small_cascade, [picture], CLASSES, 0.6)

    def fail(*_, **__):
        raise RuntimeError("no memory <left>")

    monkeypatch.setattr(widget, "fast", fail)
    ask(widget, 0.5)
    assert (widget.canvas.frame["mode"], widget.canvas.frame["message"]) == ("error", "no memory <left>")


def test_a_sentence_and_the_still_wait_for_a_jupyterlab_without_anywidget(small_cascade, picture):
    still = ThresholdExplorer(small_cascade, [picture], CLASSES, 0.6).children[1].value
    assert "JupyterLab finds no anywidget" in still
    assert "data:image/jpeg" in still
    assert 'class="lcnb-still"' in still
    assert ".lcnb-still { display: none" in str(Canvas._css)  # comes with the widget only


def test_explorers_share_one_prepared_network_until_its_weights_change(small_cascade, picture):
    cascade = copy.deepcopy(small_cascade)
    first, second = (ThresholdExplorer(cascade, [picture], CLASSES, 0.6) for _ in range(2))
    assert first.fast is second.fast
    with torch.no_grad():
        cascade.heads[0][-1].bias[0] += 9  # stage 1 now calls everything Sky
    changed = ThresholdExplorer(cascade, [picture], CLASSES, 0.6)
    assert changed.fast is not first.fast
    assert (changed.output.mode, float(changed.output.exits[0, 0])) == ("true", 1.0)
    cascade.heads[0][-1].bias.data = cascade.heads[0][-1].bias - 18  # never Sky; new memory, and no new version
    again = ThresholdExplorer(cascade, [picture], CLASSES, 0.6)
    assert again.fast is not changed.fast


def test_difficulty_explorer_counts_what_the_function_counts(picture, truth):
    labels, confidence = truth.long().clone(), torch.rand(48, 64, generator=torch.Generator().manual_seed(0))
    labels[:, ::3] = 0
    widget = DifficultyExplorer(picture, labels, confidence, truth, 11, len(CLASSES))
    for threshold in (0.95, 0.3):
        widget.control.number.value = threshold
        grade = difficulty(labels, confidence, truth, 11, threshold)[truth != 11]
        expected = [float((grade == g).float().mean()) for g in range(3)]
        assert [float(v) for v in told(widget, "shares").split()] == pytest.approx(expected, abs=1e-4)


def test_debounced_runs_the_last_call_only_and_drops_stale_results():
    started, done = [], []
    release = threading.Event()

    def work(value):
        started.append(value)
        if value == "slow":
            release.wait(5)
        return value

    async def drag():
        later = Debounced(work, done.append, done.append, rest=0.05)
        for value in ("a", "b", "slow"):
            later(value)
        await until(lambda: started)  # "slow" has started; a and b never will
        later("last")
        release.set()
        await until(lambda: done)

    asyncio.run(drag())
    assert started == ["slow", "last"]
    assert done == ["last"]


def test_debounced_keeps_the_event_loop_free():
    """The work waits for the loop: it would wait in vain on the loop's own thread."""
    done, started, release = [], threading.Event(), threading.Event()

    async def watch():
        Debounced(lambda: (started.set(), release.wait(30))[1], done.append, done.append, rest=0.01)()
        await until(started.is_set)
        release.set()
        await until(lambda: done)

    asyncio.run(watch())
    assert done == [True]


def test_debounced_reports_errors():
    failures = []
    Debounced(lambda: 1 / 0, lambda _: None, failures.append)()
    assert isinstance(failures[0], ZeroDivisionError)


def test_photo_is_turned_and_scaled_down():
    exif = Image.Exif()
    exif[0x0112] = 6  # taken with the camera on its side
    assert decode_photo(jpeg_bytes((40, 24), exif)).shape == (3, 40, 24)
    assert decode_photo(jpeg_bytes((2000, 500))).shape == (3, 160, 640)
    assert decode_photo(jpeg_bytes((30, 20), mode="L", kind="PNG")).shape == (3, 20, 30)
    assert decode_photo(jpeg_bytes((30, 20), mode="RGBA", kind="WEBP")).shape == (3, 20, 30)
    assert decode_photo(jpeg_bytes((1, 1), kind="PNG")).shape == (3, 1, 1)


def test_photo_explorer(small_cascade):
    widget = PhotoExplorer(small_cascade, CLASSES, 0.6)
    widget.take([{"name": "a<b>.txt", "content": memoryview(b"text")}])
    assert "a&lt;b&gt;.txt is not an image" in widget.message.value
    assert len(widget.children) == 2
    widget.take([{"name": "street.jpg", "content": memoryview(jpeg_bytes((40, 24)))}])
    assert isinstance(widget.children[2], ThresholdExplorer)
    assert "40x24" in widget.message.value


def test_photo_explorer_shows_the_same_photo_by_another_network(small_cascade):
    other = copy.deepcopy(small_cascade)
    other.meta = {"name": "other", "classes": list(reversed(CLASSES))}
    widget = PhotoExplorer(small_cascade, CLASSES, 0.6, others=[other])
    widget.menu.index = 1  # before there is a photograph
    assert len(widget.children) == 3
    widget.take([{"name": "cat.jpg", "content": memoryview(jpeg_bytes((40, 24)))}])
    by_other = widget.children[3]
    assert (by_other.cascade, by_other.classes) == (other, tuple(reversed(CLASSES)))
    widget.menu.index = 0
    assert (widget.children[3].cascade, widget.children[3].classes) == (small_cascade, tuple(CLASSES))
    assert widget.children[3].images[0] is by_other.images[0]
    assert "cat.jpg" in widget.message.value


def test_region_explorer_counts_and_measures(picture):
    ran = []
    scores = {"ramp": torch.arange(48.0).view(6, 8), "even": torch.zeros(6, 8)}
    widget = RegionExplorer(picture, scores, ran.append, lambda: ran.append(None), share=0.25)
    assert told(widget, "mode") == "measured"  # no event loop here: it runs at once
    assert told(widget, "share") == "0.2500"
    assert "ratio" in widget.readout.value
    regions = [r for r in ran if r is not None]
    assert len(regions) == len(ran) - len(regions) == 6  # taking turns, one round to warm up
    assert regions[0].mask[0].flatten().nonzero()[:, 0].tolist() == list(range(36, 48))
    before = widget.image_view.value
    widget.control.number.value = 0.0
    assert told(widget, "share") == "0.0000"
    assert widget.image_view.value != before
    assert len(ran[-2]) == 0


def test_region_explorer_says_why_a_measurement_failed(picture):
    def fail(region):
        raise RuntimeError("too <large>")

    widget = RegionExplorer(picture, {"all": torch.zeros(6, 8)}, fail, lambda: None)
    assert told(widget, "mode") == "error"
    assert "too &lt;large&gt;" in widget.readout.value


def test_training_curve_draws_each_row_it_is_given():
    widget = TrainingCurve()
    widget.add({"step": 20, "phase": "deep", "loss": 3.0, "images_per_s": 9.0})
    before = widget.image_view.value
    widget.add({"step": 40, "phase": "deep", "loss": 2.0, "images_per_s": 9.0, "miou_true": 0.3})
    assert told(widget, "step") == "40"
    assert "mIoU 0.300" in widget.readout.value
    assert widget.image_view.value != before
    assert Image.open(io.BytesIO(widget.image_view.value)).width > 600


def test_explorer_leaves_a_page_where_there_is_no_kernel(small_cascade, picture):
    one = ThresholdExplorer(small_cascade, [picture, picture.flip(1)], CLASSES, 0.6)
    bundle = one._repr_mimebundle_()
    assert WIDGET in bundle  # JupyterLab takes the live one
    assert bundle["text/html"] == one.page()
    assert 'class="lcnb-cached"' in one.page()
    each = ThresholdExplorer(small_cascade, [picture], CLASSES, 0.6, per_exit=True)
    assert "text/html" not in each._repr_mimebundle_()  # a page has one slider
