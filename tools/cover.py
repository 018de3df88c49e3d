"""Draw the README's picture: a street, where its cells leave, and the labels.

    python -m tools.cover [FRAME]

The frame is an index into the validation split of `streets`.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import torch
from PIL import Image

import lcnb
from lcnb import plots
from lcnb.paths import written_whole

TARGET = Path(__file__).resolve().parents[1] / "docs" / "images" / "cascade.jpg"
FRAME = 22


def main() -> None:
    """Write docs/images/cascade.jpg."""
    frame = int(sys.argv[1]) if len(sys.argv) > 1 else FRAME
    cascade, data = lcnb.load("streets-small"), lcnb.load_dataset("streets", "val")
    image, _ = data[frame]
    with torch.inference_mode():
        out = cascade(image[None].float() / 255)
    drawn = io.BytesIO()
    plots.three_regions(image, out, data.spec.classes).savefig(drawn, dpi=110, bbox_inches="tight", facecolor="white")
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(TARGET) as path:
        Image.open(drawn).convert("RGB").save(path, "JPEG", quality=88)
    print(f"{TARGET.name}: frame {data.names[frame]}, {TARGET.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
