"""True runs on fresh pictures of every size, and sliders and a player that are called back again and again."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
import torch.nn.functional as F
from torch import Tensor

import lcnb
from lcnb.datasets import load_dataset
from lcnb.regions import autotune
from lcnb.video import Clip, Duel, Painter, Summary, write_video
from lcnb.widgets import DifficultyExplorer, LivePlayer, RegionExplorer, ThresholdExplorer
from tools.load.samples import Curve, came_back, read, result, thinned

WEIGHTS = "streets-small"
RUNS, EVERY_RUN = 2000, 20
SIZES = (48, 256)
"""Pixels of a side, from and to."""
FRAMES, EVERY_FRAME = 1000, 10
FILM = (144, 192)
CALLS, EVERY_CALL = 500, 5


def true_runs(many: int = RUNS) -> dict[str, Any]:
    """Runs of the prepared cascade; each picture is another one, of another size, and lets other cells leave.

    For every new size oneDNN compiles the stem's convolutions and forgets others, which leaves holes in the heap: the
    resident memory creeps up although nothing more is held. So what is held is compared, after the C library was asked
    to hand back what is free: after a fifth of the runs, and after all. The curve is that of the resident memory.
    """
    cascade = lcnb.load(WEIGHTS).for_inference()
    images = _pictures()
    random, curve, exits, before = np.random.default_rng(0), Curve(), np.zeros(cascade.stage_count), {}
    with torch.inference_mode():
        for number in range(1, many + 1):
            height, width = random.integers(*SIZES, size=2).tolist()
            x = _window(images[number % len(images)], height, width, random)
            out = cascade(x[None].float() / 255, float(random.choice((0.6, 0.9, 0.985, 1.0))))
            assert out.labels.shape == (1, height, width)
            exits += out.exits[0].numpy()
            if number % EVERY_RUN == 0:
                curve.note(number)
            if number == many // 5:
                before = _held(cascade)
    after = _held(cascade)
    return {
        "title": "True runs, every picture another size", "unit": "runs", "whose": "what is held",
        "ok": bool((exits > 0).all()), "ran": many, "before": before, "after": after, **came_back(before, after),
        "samples": thinned(curve.samples),
    }  # fmt: skip


def _held(cascade: Any) -> dict[str, float]:
    """A sample after what is free was handed back (glibc), with the kept buffers and break-even shares counted."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    shares = sum(map(len, autotune.read(autotune.table_file()).values()))
    return {**read(psutil.Process()), "buffers": len(cascade._memory._kept), "shares": shares}


def film(many: int = FRAMES) -> dict[str, Any]:
    """What `lcnb video` does, over a long clip: read, both networks, draw, write."""
    cascade, summary, curve = lcnb.load(WEIGHTS), Summary(), Curve()
    with tempfile.TemporaryDirectory(prefix="lcnb-load-") as folder:
        clip = Clip(long_clip(Path(folder) / "long.mp4", many))
        duel, painter = Duel(cascade), Painter(cascade.meta["classes"], clip.size, caption="a film of many frames")

        def painted() -> Any:
            for compared in duel.compare(clip.frames()):
                summary.note(compared)
                yield painter(compared)
                if (compared.number + 1) % EVERY_FRAME == 0:
                    curve.note(compared.number + 1)

        written = write_video(Path(folder) / "both.mp4", painted(), clip.fps)
        ok = written == many == len(summary.dense) and Clip(Path(folder) / "both.mp4").count == many
    title = "A film, both networks on every frame"
    return result(title, "frames", "the process", curve, ok=ok, ran=written)


def player(many: int = FRAMES) -> dict[str, Any]:
    """The live player, through a long clip on an event loop as in a kernel; one frame after the other, none missed."""
    cascade, curve = lcnb.load(WEIGHTS), Curve()
    with tempfile.TemporaryDirectory(prefix="lcnb-load-") as folder:
        clip = Clip(long_clip(Path(folder) / "long.mp4", many))

        async def play() -> LivePlayer:
            shown = LivePlayer(Duel(cascade), clip.frames, many, clip.fps, cascade.meta["classes"])
            for number in range(many):
                shown.play.value = number
                await _until(lambda number=number: f'data-frame="{number}"' in shown.readout.value)  # type: ignore[misc]
                if (number + 1) % EVERY_FRAME == 0:
                    curve.note(number + 1)
            return shown

        shown = asyncio.run(play())
    ok = shown.seen == many and shown.missed == 0
    return result("The live player", "frames", "the process", curve, ok=ok, ran=shown.seen)


def callbacks(many: int = CALLS) -> dict[str, Any]:
    """Three sliders moved in turns on an event loop, each waited for until its slow answer is there."""
    curve = Curve()

    async def move() -> int:
        sliders, answers = _sliders(), 0
        random = np.random.default_rng(0)
        for number in range(1, many + 1):
            explorer, control, rests_as = sliders[number % len(sliders)]
            explorer.readout.value = ""  # so that the answer is this move's
            control.number.value = round(float(random.uniform(0.3, 0.999)), 3)
            await _until(lambda e=explorer, r=rests_as: f'data-mode="{r}"' in e.readout.value)  # type: ignore[misc]
            answers += 1
            if number % EVERY_CALL == 0:
                curve.note(number)
        return answers

    answers = asyncio.run(move())
    return result("Sliders called back", "moves", "the process", curve, ok=answers == many, ran=answers)


def _sliders() -> list[tuple[Any, Any, str]]:
    """(explorer, its slider, what its read-out says at rest)."""
    data, cascade = load_dataset("streets", "val"), lcnb.load(WEIGHTS)
    (image, mask), spec = data[0], data.spec
    with torch.inference_mode():
        out = cascade.for_inference()(image[None].float() / 255)
    threshold = ThresholdExplorer(cascade, [image], spec.classes, 0.9, masks=[mask], ignore_index=spec.ignore_index)
    confidence = F.interpolate(out.logits, image.shape[1:], mode="bilinear").softmax(1).amax(1)[0]
    grades = DifficultyExplorer(image, out.labels[0], confidence, mask, spec.ignore_index, len(spec.classes))
    weight, maps = torch.rand(16, 16, 3, 3), torch.rand(1, 16, 24, 32)
    region = RegionExplorer(image, {"noise": torch.rand(24, 32)}, len, lambda: torch.conv2d(maps, weight))
    return [(threshold, threshold.controls[0], "true"), (grades, grades.control, "graded"),
            (region, region.control, "measured")]  # fmt: skip


async def _until(condition: Callable[[], bool], seconds: float = 120) -> None:
    """Let the loop work until something is so.

    Raises:
        TimeoutError: it never was.
    """

    async def wait() -> None:
        while not condition():
            await asyncio.sleep(0.002)

    await asyncio.wait_for(wait(), seconds)


def long_clip(path: Path, frames: int) -> Path:
    """A film of so many frames: a walk over the embedded pictures."""
    images = _pictures()
    height, width = FILM

    def walk() -> Any:
        for number in range(frames):
            image = images[number // 40 % len(images)]
            top, left = (number * 2) % (image.shape[1] - height), (number * 3) % (image.shape[2] - width)
            yield image[:, top : top + height, left : left + width].permute(1, 2, 0).numpy()

    write_video(path, walk(), 25)
    return path


def _pictures(many: int = 8) -> list[Tensor]:
    data = load_dataset("streets", "val")
    return [data[i][0] for i in range(many)]


def _window(image: Tensor, height: int, width: int, random: np.random.Generator) -> Tensor:
    """(3, height, width) somewhere in the picture."""
    top = int(random.integers(image.shape[1] - height + 1))
    left = int(random.integers(image.shape[2] - width + 1))
    return image[:, top : top + height, left : left + width]
