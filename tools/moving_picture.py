"""The README's moving picture: dense against cascade on the embedded drive, timed while it is made.

    python -m tools.moving_picture [--even-if-busy]

Both networks run on every frame of the drive; every second is drawn. The times, the machine and what they depend on go
to docs/results/moving-picture.json, and a test holds the two files together. An animated WebP, because GitHub plays it
as it plays a GIF, and a GIF has 256 colours a frame and several times the size: photographs with labels laid over them
would be dithered. The quality is the highest that keeps the file small.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import lcnb
from lcnb.benchmark.load import LoadWatch
from lcnb.cli.video import where
from lcnb.datasets import locate
from lcnb.datasets.images import encoded
from lcnb.machine import machine
from lcnb.paths import write_json, written_whole
from lcnb.video import Clip, Duel, Painter, Summary
from lcnb.video.compare import INSIDE, OUTSIDE

ROOT = Path(__file__).resolve().parents[1]
PICTURE, RESULT = ROOT / "docs" / "images" / "cascade.webp", ROOT / "docs" / "results" / "moving-picture.json"
WEIGHTS, RHO = "streets-small", 0.985
EVERY = 2
"""Of the frames that are timed, which are drawn."""
LIMIT = 2_900_000
"""Bytes."""
QUALITIES = (70, 60, 50, 40, 30, 20)


def sha256(data: bytes) -> str:
    """In hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def weights_digest() -> str:
    """Of the weights that the picture was made with."""
    return sha256((ROOT / "data" / "weights" / WEIGHTS / "model.safetensors").read_bytes())


def run(clip: Clip, caption: str) -> tuple[Summary, Duel, list[np.ndarray]]:
    """Time both networks on every frame; the drawn ones are few and small enough to keep."""
    cascade = lcnb.load(WEIGHTS)
    duel, summary, drawn = Duel(cascade, RHO), Summary(), []
    painter = Painter(cascade.meta["classes"], clip.size, caption=caption)
    for compared in duel.compare(clip.frames()):
        summary.note(compared)
        if compared.number % EVERY == 0:
            drawn.append(painter(compared))
    return summary, duel, drawn


def animated(frames: Sequence[np.ndarray], milliseconds: int) -> tuple[bytes, int]:
    """As WebP, at the highest quality that is small enough, which is returned too.

    Raises:
        SystemExit: none is.
    """
    first, *others = [Image.fromarray(f) for f in frames]
    for quality in QUALITIES:
        options = {"duration": milliseconds, "loop": 0, "quality": quality, "method": 4}
        data = encoded(first, "WEBP", save_all=True, append_images=others, **options)
        if len(data) <= LIMIT:
            return data, quality
    raise SystemExit(f"{len(frames)} frames take more than {LIMIT / 1e6:g} MB at any quality; draw fewer (EVERY)")


def main() -> None:
    """Measure, draw, write both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--even-if-busy", action="store_true", help="measure on a busy machine, and mark the result")
    busy = parser.parse_args().even_if_busy
    folder = locate("streets")
    assert folder is not None
    clip, about, watch = Clip(folder / "drive.mp4"), machine(), LoadWatch(even_if_busy=busy)
    summary, duel, drawn = run(
        clip, f"lcnb, {WEIGHTS} on a rendered drive. Both networks timed on every frame, on {where(about)}."
    )
    load = watch.end().as_dict()
    data, quality = animated(drawn, round(1000 * EVERY / clip.fps))
    result: dict[str, Any] = {
        "weights": WEIGHTS, "weights_sha256": weights_digest(), "rho": RHO, "dense_form": duel.opponent,
        **summary.as_dict(), "inside": INSIDE, "outside": OUTSIDE, "load": load, "machine": about,
        "picture": {"frames": len(drawn), "every": EVERY, "quality": quality, "sha256": sha256(data)},
        "command": f"python -m tools.moving_picture{' --even-if-busy' if busy else ''}",
    }  # fmt: skip
    with written_whole(PICTURE) as path:
        path.write_bytes(data)
    write_json(RESULT, result)
    speed = result["fps"]
    print(
        f"dense {speed['dense']:.1f} FPS, cascade {speed['cascade']:.1f} FPS, ratio {result['speedup']:.2f}; "
        f"{len(drawn)} frames in {len(data) / 1e6:.2f} MB at quality {quality}; {'BUSY' if load['busy'] else 'quiet'}"
    )


if __name__ == "__main__":
    main()
