"""Check the packaged data: ``python -m renderer.check . [--raw RAW --frame train/0003]``.

Looks at counts, sizes, label values, the film, and that splits share no seed. With ``--raw`` it also renders one frame
again and compares it with what was rendered before.
"""

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from .classes import IGNORE, NAMES, PALETTE
from .render import COUNTS, DRIVE_FRAMES, FPS, SIZE

LIMIT = 12e6


def check(root):
    """Raise AssertionError at the first thing that is wrong; returns a line of figures."""
    meta = json.loads(Path(root, "meta.json").read_text())
    assert meta["classes"] == list(NAMES)
    assert [tuple(c) for c in meta["palette"]] == list(PALETTE)
    seeds = []
    for split, n in COUNTS.items():
        stems = Path(root, f"{split}.txt").read_text().split()
        assert len(stems) == n == meta["splits"][split]["frames"], (split, len(stems))
        assert sorted(os.listdir(f"{root}/{split}")) == [f"{s}.webp" for s in stems]
        assert sorted(os.listdir(f"{root}/{split}annot")) == [f"{s}.png" for s in stems]
        for s in stems:
            assert Image.open(f"{root}/{split}/{s}.webp").size == SIZE
            labels_ok(f"{root}/{split}annot/{s}.png")
        seeds += meta["splits"][split]["seeds"]
        share = meta["splits"][split]["pixel_share"]
        assert min(share[c] for c in NAMES) > 0.001, share
        assert share["ignore"] < 0.06, share
        for c in ("Pedestrian", "Bicyclist"):
            assert meta["splits"][split]["frames_with_class"][c] >= 0.5, (split, c)
    assert len(set(seeds)) == len(seeds) == sum(COUNTS.values())
    for k in range(DRIVE_FRAMES):
        labels_ok(f"{root}/driveannot/{k:04d}.png")
    film(f"{root}/drive.mp4")
    size = sum(os.path.getsize(os.path.join(d, f)) for d, _, fs in os.walk(root) for f in fs if "renderer" not in d[len(root) :])
    assert size <= LIMIT, size
    return f"{len(seeds)} frames and a drive of {DRIVE_FRAMES}: {size / 1e6:.2f} MB, all well"


def labels_ok(path):
    image = Image.open(path)
    a = np.asarray(image)
    assert (image.mode, image.size, a.dtype) == ("P", SIZE, np.uint8), path
    assert a.max() <= IGNORE, path
    assert len(np.unique(a)) >= 4, path


def film(path):
    """Codec, size, rate and length of the film."""
    out = subprocess.run(
        ["ffprobe", "-v", "error", "-count_frames", "-select_streams", "v", "-show_streams", "-of", "json", path],
        capture_output=True,
        check=True,
    ).stdout
    s = json.loads(out)["streams"][0]
    found = (s["codec_name"], s["pix_fmt"], s["width"], s["height"], s["r_frame_rate"], int(s["nb_read_frames"]))
    assert found == ("h264", "yuv420p", *SIZE, f"{FPS}/1", DRIVE_FRAMES), found


def same_again(raw, name):
    """Render one frame anew; labels must agree exactly, light up to the rounding of half floats."""
    from .render import frame

    with np.load(f"{raw}/{name}.npz") as old, tempfile.TemporaryDirectory() as tmp:
        notes = json.loads(str(old["notes"]))
        frame(notes["seed"], notes["t"], f"{tmp}/again.npz", notes["samples"])
        with np.load(f"{tmp}/again.npz") as new:
            assert np.array_equal(old["labels"], new["labels"]), "labels differ"
            gap = np.abs(old["light"].astype(np.float32) - new["light"].astype(np.float32)).max()
            assert gap < 1e-2, gap
    return f"{name} rendered again: labels equal, light within {gap:.1e}"


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("root")
    p.add_argument("--raw")
    p.add_argument("--frame", default="train/0003")
    args = p.parse_args()
    print(check(args.root))
    if args.raw:
        print(same_again(args.raw, args.frame))


if __name__ == "__main__":
    main()
