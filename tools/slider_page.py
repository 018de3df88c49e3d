"""Write docs/slider.html: a street of `streets` with the threshold slider, to drag before installing anything.

    python -m tools.slider_page

The page keeps a digest of the weights, the picture and the code that it was made of; a test compares it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

import lcnb
from lcnb.export import canvas_slider, standalone
from lcnb.paths import written_whole

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "slider.html"
NAME = "0022"
TITLE = "Not all pixels are equal: drag the threshold"
MADE_OF = (
    "data/weights/streets-small/model.safetensors", "lcnb/export/slider.css", "lcnb/export/slider.js",
    "lcnb/export/slider.py", "lcnb/export/view.py", "lcnb/models/exits.py", "lcnb/palettes.py", "tools/slider_page.py",
)  # fmt: skip
BELOW = """<p>A network for street scenes (<em>streets-small</em>, an image it was not trained on) is cut into three
stages. Every cell of 8 x 8 pixels exits at the first stage whose confidence is above ρ, and later stages need not
compute it. Drag ρ to the left: more cells exit early and less is computed. Which labels change, and when?</p>
<p>The idea is <em>Deep Layer Cascade</em> (Li, Liu, Luo, Loy and Tang, CVPR 2017). The notebooks that build, train and
measure it are in the repository that this page is part of; start with notebooks/00_quickstart.ipynb.</p>"""


def digest() -> str:
    """Of everything the page is made of."""
    names = [*MADE_OF, f"data/streets/val/{NAME}.webp"]
    parts = [hashlib.sha256((ROOT / name).read_bytes()).hexdigest() for name in names]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def page() -> str:
    """The text of the page."""
    cascade, data = lcnb.load("streets-small"), lcnb.load_dataset("streets", "val")
    image, mask = data[data.names.index(NAME)]
    with torch.inference_mode():
        logits = cascade.all_stages(image[None].float() / 255)
    fragment = canvas_slider(
        image, logits, data.spec.classes, lcnb.cascade_cost(cascade, *image.shape[1:]), rho=0.985, mask=mask,
        ignore_index=data.spec.ignore_index,
    )  # fmt: skip
    return standalone(fragment, TITLE, BELOW, f"made of {digest()}")


if __name__ == "__main__":
    with written_whole(TARGET) as path:
        path.write_text(page(), encoding="utf-8")
