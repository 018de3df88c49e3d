"""Raw frames to ``data/streets``: ``python -m renderer.package --raw RAW --out .`` in that folder.

Takes whatever is rendered, so that a first part can be tried while the rest still renders.
"""

import argparse
import glob
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
from PIL import Image

from . import VERSION
from .classes import IGNORE, NAMES, PALETTE
from .render import COUNTS, DRIVE_SEED, FPS, SAMPLES, SIZE
from .sensor import develop, meter

PRESENT = 50  # pixels from which a class counts as seen in a frame
SPLITS = (*COUNTS, "drive")
LICENCE = """Creative Commons CC0 1.0 Universal (CC0-1.0)

The pictures, labels and film in this folder were rendered from the procedural geometry, materials and textures in
renderer/; nothing in them was taken from anybody else's photographs or models. To the extent possible under law,
their authors have waived all copyright and related or neighbouring rights to them. You can copy, modify, distribute
and use them, even for commercial purposes, all without asking permission. They come without warranty of any kind.

The full legal text: https://creativecommons.org/publicdomain/zero/1.0/legalcode
"""


def write(path, save):
    """Write under another name, then rename."""
    part = os.path.join(os.path.dirname(path), ".part-" + os.path.basename(path))
    save(part)
    os.replace(part, path)


def save_labels(labels, path):
    image = Image.fromarray(labels)
    image.putpalette([v for colour in PALETTE for v in colour])
    write(path, lambda p: image.save(p, "PNG", optimize=True))


def save_picture(picture, path, quality):
    write(path, lambda p: picture.save(p, "WEBP", quality=quality, method=6))


def save_split(raw, out, split, quality):
    """Develop every finished frame of a split; returns its notes."""
    os.makedirs(f"{out}/{split}", exist_ok=True)
    os.makedirs(f"{out}/{split}annot", exist_ok=True)
    notes = {}
    for path in sorted(glob.glob(f"{raw}/{split}/[0-9]*.npz")):
        stem = os.path.basename(path)[:4]
        if len(os.path.basename(path)) != 8:
            continue  # a part file
        with np.load(path) as frame:
            picture = Image.fromarray(develop(frame))
            save_picture(picture, f"{out}/{split}/{stem}.webp", quality)
            save_labels(frame["labels"], f"{out}/{split}annot/{stem}.png")
            notes[stem] = json.loads(str(frame["notes"])) | {"pixels": counts(frame["labels"])}
    write(f"{out}/{split}.txt", lambda p: Path(p).write_text("".join(f"{stem}\n" for stem in sorted(notes))))
    return notes


def save_drive(raw, out, crf):
    """The film and its labels; one exposure for all of it."""
    paths = [p for p in sorted(glob.glob(f"{raw}/drive/[0-9]*.npz")) if len(os.path.basename(p)) == 8]
    if not paths:
        return {}
    os.makedirs(f"{out}/driveannot", exist_ok=True)
    metered = float(np.median([meter(np.load(p)["light"]) for p in paths]))
    encoder = subprocess.Popen(
        [
            "ffmpeg",
            "-y",
            "-loglevel",
            "error",
            "-f",
            "rawvideo",
            "-pix_fmt",
            "rgb24",
            "-s",
            f"{SIZE[0]}x{SIZE[1]}",
            "-r",
            str(FPS),
            "-i",
            "-",
            "-c:v",
            "libx264",
            "-preset",
            "veryslow",
            "-crf",
            str(crf),
            "-pix_fmt",
            "yuv420p",
            "-g",
            "40",
            "-flags",
            "+cgop+bitexact",
            "-fflags",
            "+bitexact",
            "-movflags",
            "+faststart",
            "-f",
            "mp4",
            f"{out}/.part-drive.mp4",
        ],
        stdin=subprocess.PIPE,
    )
    notes = {}
    for path in paths:
        with np.load(path) as frame:
            encoder.stdin.write(develop(frame, metered).tobytes())
            stem = os.path.basename(path)[:4]
            save_labels(frame["labels"], f"{out}/driveannot/{stem}.png")
            notes[stem] = json.loads(str(frame["notes"])) | {"pixels": counts(frame["labels"])}
    encoder.stdin.close()
    if encoder.wait():
        raise RuntimeError("ffmpeg failed")
    os.replace(f"{out}/.part-drive.mp4", f"{out}/drive.mp4")
    return notes


def layout(meta):
    """JSON with one line for each entry: readable, and short."""
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in meta.items() if key != "splits"]
    splits = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in meta["splits"].items())
    return "{\n" + ",\n".join(lines) + ',\n "splits": {\n' + splits + "\n }\n}\n"


def counts(labels):
    return np.bincount(labels.ravel(), minlength=IGNORE + 1)


def summary(notes):
    """What meta.json says about one split."""
    total = sum(n["pixels"] for n in notes.values())
    share = (total / total.sum()).round(5)
    present = np.mean([n["pixels"] > PRESENT for n in notes.values()], 0).round(3)
    return {
        "frames": len(notes),
        "pixel_share": dict(zip((*NAMES, "ignore"), share.tolist(), strict=False)),
        "frames_with_class": dict(zip((*NAMES, "ignore"), present.tolist(), strict=False)),
        "seeds": sorted({n["seed"] for n in notes.values()}),
    }


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--raw", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--quality", type=int, default=82, help="WebP quality of the pictures")
    p.add_argument("--crf", type=int, default=28, help="H.264 quality of the drive")
    args = p.parse_args()
    os.makedirs(args.out, exist_ok=True)
    for old in (f"{s}{e}" for s in SPLITS for e in ("", "annot")):
        shutil.rmtree(f"{args.out}/{old}", ignore_errors=True)
    found = {split: save_split(args.raw, args.out, split, args.quality) for split in COUNTS}
    found["drive"] = save_drive(args.raw, args.out, args.crf)
    found = {k: v for k, v in found.items() if v}
    versions = {n["version"] for notes in found.values() for n in notes.values()}
    if versions != {VERSION}:
        raise SystemExit(f"the raw frames come from versions {versions}, this is {VERSION}")
    meta = {
        "name": "streets",
        "generator": "data/streets/renderer",
        "version": VERSION,
        "licence": "CC0-1.0",
        "size": list(SIZE),
        "classes": list(NAMES),
        "ignore_index": IGNORE,
        "palette": [list(c) for c in PALETTE],
        "fps": FPS,
        "drive_seed": DRIVE_SEED,
        "render": {
            "engine": "Blender 4.5 Cycles",
            "samples": SAMPLES,
            "bounces": 3,
            "denoiser": "OpenImageDenoise",
            "labels": "Cryptomatte coverage",
            "webp_quality": args.quality,
            "crf": args.crf,
        },
        "splits": {k: summary(v) for k, v in found.items()},
    }
    write(f"{args.out}/meta.json", lambda q: Path(q).write_text(layout(meta)))
    write(f"{args.out}/LICENSE", lambda q: Path(q).write_text(LICENCE))
    size = sum(os.path.getsize(os.path.join(d, f)) for d, _, fs in os.walk(args.out) for f in fs if "renderer" not in d[len(args.out) :])
    print({k: v["frames"] for k, v in meta["splits"].items()}, f"{size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
