"""Render frames: ``python -m renderer.render --out RAW [--splits ...] [--drive]``. Safe to stop and start again.

A finished frame is one ``.npz`` of linear light, distance and labels; sensor.py turns it into a photograph later, so
the camera can change without rendering anew. Names are written last and atomically.
"""

import argparse
import json
import os
import sys
import time

import numpy as np

from .sensor import FAR

SIZE = (480, 360)
SAMPLES = 12
COUNTS = {"train": 200, "val": 50, "test": 50}
DRIVE_FRAMES, FPS, DRIVE_SEED = 120, 10, "drive-4"


def seed_of(split, index):
    return f"{split}-{index:04d}"


def jobs(splits, drive):
    """Frames in an order that keeps the splits in step: four of train, one of val, one of test."""
    todo, at = [], dict.fromkeys(COUNTS, 0)
    for _ in range(max(COUNTS.values())):
        for split, n in (("train", 4), ("val", 1), ("test", 1)):
            for _ in range(n):
                if split in splits and at[split] < COUNTS[split]:
                    todo.append((split, at[split], seed_of(split, at[split]), None))
                    at[split] += 1
    if drive:
        todo += [("drive", k, DRIVE_SEED, k / FPS) for k in range(DRIVE_FRAMES)]
    return todo


def settings(scene, samples, scale, path):
    scene.render.engine = "CYCLES"
    c = scene.cycles
    c.samples, c.use_adaptive_sampling = samples, False
    c.max_bounces, c.diffuse_bounces, c.glossy_bounces, c.transmission_bounces = 3, 2, 2, 0
    c.caustics_reflective = c.caustics_refractive = False
    c.sample_clamp_indirect, c.blur_glossy, c.filter_width = 6.0, 0.5, 1.2
    c.use_denoising, c.denoiser, c.denoising_input_passes, c.denoising_prefilter = (
        True,
        "OPENIMAGEDENOISE",
        "RGB_ALBEDO_NORMAL",
        "FAST",
    )
    c.denoising_quality = "FAST"  # a third of the time of "HIGH", no visible difference at this size
    r = scene.render
    r.resolution_x, r.resolution_y, r.resolution_percentage = *SIZE, int(100 * scale)
    r.threads_mode, r.threads, r.film_transparent = "FIXED", 1, False
    r.image_settings.file_format, r.image_settings.color_depth, r.image_settings.exr_codec = (
        "OPEN_EXR_MULTILAYER",
        "32",
        "ZIPS",
    )
    r.filepath = path
    layer = scene.view_layers[0]
    layer.use_pass_mist = layer.use_pass_cryptomatte_object = True
    layer.pass_cryptomatte_depth = 6


def labels(channels, manifest):
    """Class map and share of sky (0-255) from the Cryptomatte pass: exact shares of every object in every pixel."""
    from .classes import COVER_WEIGHT, IGNORE, SKY

    known = sorted(
        (as_stored(int(v, 16)), int(k.split("_")[0]))
        for k, v in json.loads(manifest).items()
        if k.split("_")[0].isdigit()
    )
    ids, classes = np.array([k for k, _ in known], np.uint32), np.array([c for _, c in known])
    shape = channels["ViewLayer.Mist.Z"].pixels.shape
    cover = np.zeros((IGNORE + 1, *shape), np.float32)
    for rank in range(3):
        for a, b in (("r", "g"), ("b", "a")):
            who = np.ascontiguousarray(channels[f"ViewLayer.CryptoObject{rank:02d}.{a}"].pixels).view(np.uint32)
            share = channels[f"ViewLayer.CryptoObject{rank:02d}.{b}"].pixels
            at = np.minimum(np.searchsorted(ids, who), len(ids) - 1)
            hit = (ids[at] == who) & (share > 0)
            np.add.at(cover, (classes[at][hit], *np.nonzero(hit)), share[hit])
    cover[SKY] += np.clip(1 - cover.sum(0), 0, 1)
    sky = np.uint8(np.clip(cover[SKY], 0, 1) * 255 + 0.5)
    for cls, weight in COVER_WEIGHT.items():
        cover[cls] *= weight
    return cover.argmax(0).astype(np.uint8), sky


def as_stored(code):
    """A name's hash as it lies in the picture: Cryptomatte keeps its exponent off 0 and 255 (no NaN, no denormals)."""
    exponent = min(max(code >> 23 & 255, 1), 254)
    return code & 0x807FFFFF | exponent << 23


def frame(seed, t, path, samples=SAMPLES, scale=1.0):
    """Render one frame to ``path`` (.npz)."""
    import bpy
    import OpenEXR

    from . import VERSION
    from .scene import compose

    start = time.time()
    street, sky = compose(seed, t)
    exr = path + f".{os.getpid()}.exr"
    settings(bpy.context.scene, samples, scale, exr)
    bpy.context.scene.cycles.seed = noise_of(seed, t)
    built = time.time() - start
    with quiet():
        bpy.ops.render.render(write_still=True)
    with OpenEXR.File(exr, separate_channels=True) as f:
        header, channels = f.header(), f.channels()
        manifest = next(v for k, v in header.items() if k.endswith("/manifest"))
        light = np.stack([channels[f"ViewLayer.Combined.{c}"].pixels for c in "RGB"], -1).astype(np.float16)
        depth = (channels["ViewLayer.Mist.Z"].pixels * FAR).astype(np.float16)
        truth, sky_share = labels(channels, manifest)
    os.remove(exr)
    notes = {
        "seed": seed,
        "t": t,
        "samples": samples,
        "version": VERSION,
        "town": street.town,
        "sky": sky.kind,
        "key": sky.key,
        "haze": sky.haze,
        "air": [float(v) for v in 0.5 * (sky.horizon + sky.cloud * 0.5 + sky.horizon * 0.5)],
        "warmth": sky.warmth,
        "wet": street.wet,
        "seconds": round(time.time() - start, 1),
        "build": round(built, 1),
    }
    part = path + f".{os.getpid()}.part.npz"
    np.savez_compressed(part, light=light, depth=depth, labels=truth, sky=sky_share, notes=json.dumps(notes))
    os.replace(part, path)
    return notes


def noise_of(seed, t):
    """The seed of the sampling noise."""
    from .rng import stream

    return stream(seed, "render", t).getrandbits(30)


class quiet:
    """Blender prints a line a tile; send that nowhere."""

    def __enter__(self):
        sys.stdout.flush()
        self.kept, null = os.dup(1), os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.close(null)

    def __exit__(self, *_):
        sys.stdout.flush()
        os.dup2(self.kept, 1)
        os.close(self.kept)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--out", required=True, help="folder of raw frames")
    p.add_argument("--splits", nargs="*", default=list(COUNTS))
    p.add_argument("--drive", action="store_true", help="also the drive, last")
    p.add_argument("--limit", type=int, help="look at the first so many frames only")
    p.add_argument("--new", type=int, default=10**6, help="end after rendering so many (a fresh process bounds memory)")
    p.add_argument("--stride", type=int, default=1, help="take every so many frames (previews)")
    p.add_argument("--samples", type=int, default=SAMPLES)
    p.add_argument("--scale", type=float, default=1.0)
    args = p.parse_args()
    for split, index, seed, t in jobs(args.splits, args.drive)[:: args.stride][: args.limit]:
        path = os.path.join(args.out, split, f"{index:04d}.npz")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if not os.path.exists(path) and args.new > 0:
            args.new -= 1
            notes = frame(seed, t, path, args.samples, args.scale)
            print(
                f"{split}/{index:04d} {notes['town']} {notes['sky']} {notes['seconds']}s (build {notes['build']}s)",
                flush=True,
            )


if __name__ == "__main__":
    main()
