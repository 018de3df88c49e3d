"""Memory stays flat under load (`make test-long`): what users do, done far more often than they would."""

import contextlib
import ctypes
import itertools
import json
import os
import statistics
import time

import numpy as np
import psutil
import pytest
import torch

import lcnb
from lcnb.cli import main
from lcnb.video import Clip, Duel, Painter, write_video
from tests.browser.lab import CHROMIUM_FLAGS, ROOT, Notebook, chromium, jupyterlab
from tests.browser.sliders import Slider

load = pytest.mark.long
ALLOWED_MB = 20
KERNELS, SECONDS, FRAMES, RUNS = 30, 300, 1000, 2000


def sample(process=None, **more):
    """Resident memory in 10^6 bytes, after holes in the heap are given back, and what may not grow by one."""
    process = process or psutil.Process()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    handles = process.num_handles() if psutil.WINDOWS else process.num_fds()
    children = len(process.children(recursive=True))
    return {
        "MB": process.memory_info().rss / 1e6, "handles": handles, "threads": process.num_threads(),
        "children": children, **more,
    }  # fmt: skip


def grew(samples):
    """What the last fifth of the samples has more of than the second."""
    fifth = len(samples) // 5
    assert fifth >= 2, "too few samples to tell"
    parts = (samples[fifth : 2 * fifth], samples[-fifth:])
    early, late = ({name: [s[name] for s in part] for name in samples[0]} for part in parts)
    counts = [name for name in early if name != "MB" and statistics.median(late[name]) > max(early[name])]
    return counts + ["MB"] * (statistics.median(late["MB"]) - statistics.median(early["MB"]) > ALLOWED_MB)


CURVES = {
    "still": (lambda t: 800, []),
    "warm-up": (lambda t: 800 + 100 * min(1, 5 * t), []),
    "falling": (lambda t: 900 - 100 * t, []),
    "a spike": (lambda t: 800 + 500 * (0.9 < t < 0.93), []),
    "a leak": (lambda t: 800 + 50 * t, ["MB"]),
    "a slow start": (lambda t: 800 + 100 * t**3, ["MB"]),
    "a step": (lambda t: 800 + 40 * (t > 0.5), ["MB"]),
}


@pytest.mark.parametrize("kind", CURVES)
def test_a_curve_that_grows_is_not_called_flat(kind):
    curve, wanted = CURVES[kind]
    assert grew([{"MB": curve(i / 49), "handles": 10} for i in range(50)]) == wanted
    assert grew([{"MB": curve(i / 49), "handles": 10 + (i > 30)} for i in range(50)]) == ["handles", *wanted]


@load
@pytest.mark.timeout(3600)
def test_kernels_in_sequence(tmp_path, monkeypatch):
    """Thirty kernels of notebook 00 in a row: all succeed, and no memory, handle, thread, process or file stays."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    samples = []
    for _ in range(KERNELS):
        assert main(["run", "00", "--out", str(tmp_path / "out"), "--timeout", "900"]) == 0
        samples.append(sample(left=len(os.listdir(tmp_path / "tmp"))))
    assert grew(samples) == []


@load
@pytest.mark.browser
@pytest.mark.timeout(3600)
def test_a_slider_dragged_in_a_browser(tmp_path):
    """The slider of notebook 00, for five minutes: the kernel's memory, handles and threads stay, the image follows."""
    if chromium() is None:
        pytest.skip("no chromium found")
    from playwright.sync_api import sync_playwright

    content = json.loads((ROOT / "notebooks" / "00_quickstart.ipynb").read_text(encoding="utf-8"))
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}  # a prompt's number then says what was run here
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "00_quickstart.ipynb").write_text(json.dumps(content), encoding="utf-8")
    with jupyterlab(tmp_path / "lab") as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), headless=True, args=CHROMIUM_FLAGS)
        notebook = Notebook(browser.new_page(viewport={"width": 1280, "height": 1000}), address.format("00_quickstart"))
        notebook.run_all(600)
        slider, below = Slider(notebook.page, rests_as="true"), psutil.Process().children(recursive=True)
        (kernel,) = [p for p in below if "ipykernel_launcher" in p.cmdline()]
        samples, begun, mouse = [], time.monotonic(), notebook.page.mouse
        while time.monotonic() < begun + SECONDS:
            for sign in (-1, 1):
                box = slider.handle.bounding_box()
                x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
                mouse.move(x, y)
                mouse.down()
                mouse.move(x + sign * 200, y, steps=25)
                mouse.up()
            slider.handle.focus()
            for key in ("ArrowLeft", "ArrowRight") * 5:
                notebook.page.keyboard.press(key)
            notebook.page.wait_for_timeout(600)  # a rest, in which the true run starts
            samples.append(sample(kernel))
        slider.rest(120)
        slider.press("Home")
        slider.press("End")
        slider.rest(60)
        assert slider.data("exits").split()[:2] == ["0.0000", "0.0000"]
        assert notebook.errors() == []
        browser.close()
    assert grew(samples) == []


@pytest.fixture(scope="module")
def photographs():
    return [lcnb.load_photo(name).image for name in ("chelsea", "astronaut", "dog", "cow")]


@load
@pytest.mark.timeout(3600)
def test_a_film(photographs, tmp_path):
    """A film of a thousand frames through both networks, drawn and written: memory, handles and threads stay."""
    walk = ((photographs[k // 250][:, :144, k % 60 : k % 60 + 192]).permute(1, 2, 0).numpy() for k in range(FRAMES))
    write_video(tmp_path / "long.mp4", walk, 25)
    cascade, clip, samples = lcnb.load("streets-small"), Clip(tmp_path / "long.mp4"), []
    painter = Painter(cascade.meta["classes"], clip.size, caption="a film of many frames")

    def painted():
        for compared in Duel(cascade).compare(clip.frames()):
            yield painter(compared)
            if compared.number % 10 == 0:
                samples.append(sample())

    assert write_video(tmp_path / "both.mp4", painted(), clip.fps) == FRAMES
    assert grew(samples) == []


@load
@pytest.mark.timeout(3600)
@torch.inference_mode()
def test_true_runs(photographs):
    """Two thousand true runs, each on an image of another size: memory, handles and threads stay."""
    cascade, samples = lcnb.load("streets-small").for_inference(), []
    random, exits = np.random.default_rng(0), np.zeros(3)
    for number, image in zip(range(RUNS), itertools.cycle(photographs)):
        height, width = random.integers(48, 256, size=2).tolist()
        x = image[None, :, :height, :width].float() / 255
        exits += cascade(x, float(random.choice((0.6, 0.9, 0.985, 1.0)))).exits[0].numpy()
        if number % 20 == 0:
            samples.append(sample())
    assert (exits > 0).all()
    assert grew(samples) == []
