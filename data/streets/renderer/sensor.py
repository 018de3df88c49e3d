"""From linear light to a photograph: haze, lens, exposure, white balance, noise, compression. Numpy only.

``python -m renderer.sensor RAW.npz OUT.png`` develops one frame.
"""

import io
import json
import math
import sys

import numpy as np
from PIL import Image
from scipy import ndimage

from .rng import array_stream, stream

FAR = 500.0  # metres at which the distance pass ends (and the sky lies)
HAZE = 0.5  # of the drawn haze: streets between houses are darker than the sky that lights the air
LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


def develop(raw, metered=None):
    """An 8-bit picture from a raw frame. A film passes its fixed exposure as ``metered``; stills meter themselves."""
    notes = json.loads(str(raw["notes"]))
    camera = stream(notes["seed"], "sensor")
    noise = array_stream(notes["seed"], "noise", notes["t"])
    x = np.clip(raw["light"].astype(np.float32), 0, 60)
    x = _haze(x, raw["depth"].astype(np.float32), raw["sky"].astype(np.float32) / 255, notes)
    x = x * (
        1 + camera.uniform(0.0, 0.7) * raw["sky"].astype(np.float32)[..., None] / 255
    )  # real skies outshine the street more
    x = _lens(x, camera)
    x = _expose(x, notes, camera, metered)
    x = _balance(x, notes, camera)
    x = _noise(x, camera, noise)
    x = _tone(x, camera)
    return _compress(np.uint8(np.clip(x, 0, 1) * 255 + 0.5), camera)


def _haze(x, depth, sky, notes):
    """Air light by distance; the sky itself is left as it is, also where it shows between leaves."""
    solid = 1 - sky
    reach = np.where(solid > 0.04, (depth - sky * FAR) / np.maximum(solid, 0.04), 0)
    veil = solid * (1 - np.exp(-HAZE * notes["haze"] * np.clip(reach, 0, FAR)))
    return x * (1 - veil[..., None]) + np.array(notes["air"], np.float32) * veil[..., None]


def _lens(x, camera):
    """Softness that grows to the corners, glow of bright areas, colour fringes, darker corners, a little shake."""
    h, w = x.shape[:2]
    v, u = np.mgrid[0:h, 0:w].astype(np.float32)
    r2 = ((u - w / 2) ** 2 + (v - h / 2) ** 2) / (w * w / 4)
    soft = camera.uniform(0.30, 0.55)
    sharp = np.stack([ndimage.gaussian_filter(x[..., c], soft) for c in range(3)], -1)
    blurred = np.stack([ndimage.gaussian_filter(x[..., c], soft + 0.9) for c in range(3)], -1)
    edge = np.clip(r2 * camera.uniform(0.1, 0.6), 0, 1)[..., None]
    x = sharp * (1 - edge) + blurred * edge
    glow = np.stack(
        [
            ndimage.gaussian_filter(np.minimum(x[..., c], 8), 7) * 0.6
            + ndimage.gaussian_filter(np.minimum(x[..., c], 8), 30) * 0.4
            for c in range(3)
        ],
        -1,
    )
    veil = camera.uniform(0.004, 0.022)
    x = x * (1 - veil) + glow * veil
    if camera.random() < 0.25:
        x = _shake(x, camera)
    shift = camera.uniform(0.0, 0.0018)
    out = x.copy()
    for c, sign in ((0, 1), (2, -1)):
        k = 1 + sign * shift
        out[..., c] = ndimage.map_coordinates(
            x[..., c], [(v - h / 2) * k + h / 2, (u - w / 2) * k + w / 2], order=1, mode="nearest"
        )
    return out * (1 - camera.uniform(0.05, 0.28) * np.clip(r2, 0, 2)[..., None] / 1.56)


def _shake(x, camera):
    """Blur along one short line, mostly up and down (a car on a road)."""
    angle, length = camera.gauss(math.pi / 2, 0.6), camera.uniform(0.8, 2.6)
    kernel = np.zeros((7, 7), np.float32)
    for t in np.linspace(-0.5, 0.5, 15):
        kernel[round(3 + length * t * math.sin(angle)), round(3 + length * t * math.cos(angle))] += 1
    kernel /= kernel.sum()
    return np.stack([ndimage.convolve(x[..., c], kernel, mode="nearest") for c in range(3)], -1)


def _expose(x, notes, camera, metered):
    """Meter the street (the lower two thirds), not the sky; then miss by a little (but not in a film)."""
    error = 2 ** camera.gauss(0.12, 0.5)
    if metered is not None:
        return x * (notes["key"] * 1.1 / metered)
    return x * (min(max(notes["key"] * error, 0.022), 0.25) / meter(x))


def meter(x):
    """Log-average brightness of the street."""
    luma = np.asarray(x, np.float32) @ LUMA
    return float(np.exp(np.log(np.clip(luma[luma.shape[0] // 3 :], 1e-3, 3)).mean()))


def _balance(x, notes, camera):
    """White balance that undoes most of the light's tint, and a camera's taste in colour."""
    warm = np.array(notes["warmth"], np.float32) ** 0.35
    x = x / (warm / warm.mean())
    x = x * np.array([1 + camera.gauss(0, 0.035), 1.0, 1 + camera.gauss(0, 0.045)], np.float32)
    grey = (x @ LUMA)[..., None]
    return np.clip(grey + (x - grey) * camera.uniform(0.72, 1.08), 0, None)


def _noise(x, camera, noise):
    """Shot and read noise, with some of it smeared over neighbours as cheap cameras do."""
    read, shot = camera.uniform(0.0003, 0.0012), camera.uniform(0.00003, 0.0002)
    grain = noise.normal(0, 1, x.shape).astype(np.float32)
    grain = 0.65 * grain + 0.9 * ndimage.gaussian_filter(grain, (0.8, 0.8, 0))
    return np.clip(x + grain * np.sqrt(read**2 + shot * np.clip(x, 0, 2)), 0, None)


def _tone(x, camera):
    """A shoulder for highlights, then gamma, then contrast."""
    knee = camera.uniform(0.65, 0.9)
    over = np.clip(x - knee, 0, None)
    x = np.where(x > knee, knee + (1 - knee) * (1 - np.exp(-over / (1 - knee) * 0.9)) * 1.02, x)
    y = np.where(x < 0.0031308, 12.92 * x, 1.055 * np.clip(x, 1e-6, None) ** (1 / 2.4) - 0.055)
    strength = camera.uniform(0.3, 1.1)
    curve = y * y * (3 - 2 * y)
    return y * (1 - strength) + curve * strength + camera.uniform(-0.03, 0.01)


def _compress(x, camera):
    """One trip through a camera's JPEG, sharpened first as they do."""
    amount = camera.uniform(0.8, 2.4)
    f = x.astype(np.float32)
    f = np.clip(f + amount * (f - ndimage.gaussian_filter(f, (1.0, 1.0, 0))), 0, 255)
    buffer = io.BytesIO()
    Image.fromarray(np.uint8(f + 0.5)).save(buffer, "JPEG", quality=camera.randrange(86, 97))
    return np.asarray(Image.open(buffer).convert("RGB"))


if __name__ == "__main__":
    with np.load(sys.argv[1]) as raw:
        Image.fromarray(develop(raw)).save(sys.argv[2])
