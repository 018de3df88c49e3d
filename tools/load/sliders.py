"""The threshold slider of notebook 00, dragged in a real JupyterLab and a real browser for five minutes."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from tests.browser.lab import CHROMIUM_FLAGS, ROOT, Notebook, chromium, jupyterlab, look, wait_until
from tests.browser.sliders import Slider
from tools.load.samples import Curve, result

NAME = "00_quickstart"
SECONDS, EVERY = 300.0, 5.0
"""How long it is dragged, and how often the kernel is looked at."""


def dragged(seconds: float = SECONDS) -> dict[str, Any]:
    """Drag by mouse and by keys, with short rests in which the cascade truly runs.

    Raises:
        RuntimeError: there is no chromium.
    """
    from playwright.sync_api import sync_playwright

    path = chromium()
    if path is None:
        raise RuntimeError("no chromium found; install Debian's package, or name one in LCNB_CHROMIUM")
    with tempfile.TemporaryDirectory(prefix="lcnb-load-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "lab").mkdir()
        shutil.copy(ROOT / "notebooks" / f"{NAME}.ipynb", folder / "lab")
        _clear(folder / "lab" / f"{NAME}.ipynb")
        with jupyterlab(folder / "lab") as address, sync_playwright() as playwright:
            context = playwright.chromium.launch_persistent_context(
                str(folder / "profile"), executable_path=path, headless=True, args=CHROMIUM_FLAGS,
                viewport={"width": 1280, "height": 1000},
            )  # fmt: skip
            try:
                notebook = Notebook(context.new_page(), address.format(NAME))
                notebook.run_all(600)
                slider = Slider(notebook.page, rests_as="true")
                curve, moves = _drag(slider, Curve(_kernel()), seconds)
                ok = _still_follows(slider) and notebook.errors() == []
            finally:
                context.close()
    title = "The slider of notebook 00, dragged in a browser"
    return result(title, "seconds", "the kernel", curve, ok=ok, ran=moves)


def _drag(slider: Slider, curve: Curve, seconds: float) -> tuple[Curve, int]:
    """The samples, and how often the slider was moved."""
    page, moves, number = slider.page, 0, 0
    begun = last = time.monotonic()
    while time.monotonic() - begun < seconds:
        number += 1
        if number % 2:
            moves += _by_mouse(slider, to_left=number % 4 == 1)
        else:
            slider.handle.focus()
            for key in ("ArrowLeft", "ArrowRight") * 5:
                page.keyboard.press(key)
                moves += 1
        page.wait_for_timeout(600)  # a rest, in which the true run starts
        if time.monotonic() - last >= EVERY:
            last = time.monotonic()
            curve.note(last - begun)
    return curve, moves


def _by_mouse(slider: Slider, to_left: bool) -> int:
    box = slider.handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    mouse, steps = slider.page.mouse, 25
    mouse.move(x, y)
    mouse.down()
    mouse.move(x - 200 if to_left else x + 200, y, steps=steps)
    mouse.up()
    return steps


def _still_follows(slider: Slider) -> bool:
    """Whether picture and read-out answer, and to the very last move."""
    slider.rest(120)
    slider.press("Home")
    slider.rest(60)
    before = look(slider.picture)
    slider.press("End")
    wait_until(lambda: slider.data("exits").split()[:2] == ["0.0000", "0.0000"], 60, "nobody leaving early")
    wait_until(lambda: look(slider.picture) != before, 60, "another picture")
    return True


def _kernel() -> psutil.Process:
    """The one kernel below this process."""
    below = psutil.Process().children(recursive=True)
    (kernel,) = [p for p in below if "ipykernel_launcher" in p.cmdline()]
    return kernel


def _clear(path: Path) -> None:
    """Take the outputs away: what a prompt's number then says was run in this session."""
    content = json.loads(path.read_text(encoding="utf-8"))
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    path.write_text(json.dumps(content), encoding="utf-8")
