"""Tileable surface images, drawn in numpy: asphalt, paving, brick, stone, plaster, roof tiles, bark, cloth.

Image look-ups render several times faster than procedural shader nodes. Each function returns float RGB in [0, 1],
in display (sRGB) values; many are near white so that a face colour can tint them.
"""

import numpy as np

from .rng import array_stream


def fractal(rng, n, slope=2.0, stretch=(1, 1)):
    """Tileable noise with a 1/f^slope spectrum, scaled to mean 0 and deviation 1."""
    fy, fx = np.meshgrid(np.fft.fftfreq(n) * stretch[0], np.fft.rfftfreq(n) * stretch[1], indexing="ij")
    f = np.hypot(fx, fy)
    f[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((n, n))) * f ** (-slope / 2)
    x = np.fft.irfft2(spectrum, (n, n))
    return (x - x.mean()) / x.std()


def grey(x, tint=(1, 1, 1)):
    return np.clip(np.asarray(x)[..., None] * np.asarray(tint), 0, 1)


def asphalt(rng, n=512):
    """2.5 m of worn tarmac: bright stones in dark binder."""
    fine, rough = fractal(rng, n, 0.2), fractal(rng, n, 1.6)
    return grey(0.62 + 0.11 * np.clip(fine, -2, 3) + 0.018 * rough, (1.0, 0.99, 0.98))


def ground_wear(rng, n=1024):
    """18 m of large-scale change laid over any ground: stains, repair patches, cracks, faint wheel tracks."""
    x = 0.89 + 0.02 * fractal(rng, n, 2.4) + 0.014 * fractal(rng, n, 1.2)
    for _ in range(9):  # rectangular utility repairs, darker or lighter, with a sealed edge
        w, h = rng.integers(40, 260), rng.integers(30, 160)
        r, c = rng.integers(0, n - h), rng.integers(0, n - w)
        x[r : r + h, c : c + w] *= rng.uniform(0.78, 1.12)
        edge = rng.uniform(0.6, 0.9)
        x[r : r + 3, c : c + w] *= edge
        x[r + h - 3 : r + h, c : c + w] *= edge
        x[r : r + h, c : c + 3] *= edge
        x[r : r + h, c + w - 3 : c + w] *= edge
    crack = np.abs(fractal(rng, n, 2.6))
    x *= 1 - 0.35 * (crack < 0.012) * (fractal(rng, n, 2.0) > 0.4)
    stain = np.clip(fractal(rng, n, 2.8) - 1.1, 0, 1)
    spots = np.clip(fractal(rng, n, 0.8) - 2.6, 0, 1)
    return grey(np.clip(x - 0.08 * stain - 0.3 * spots, 0.2, 1))


def grid(rng, n, rows, cols, joint, shift=0.5, spread=0.08, slope=1.6, relief=0.03):
    """Slabs, bricks or blocks: brightness per piece, and the mask of the joints."""
    y, x = np.mgrid[0:n, 0:n] / n
    row = (y * rows).astype(int)
    xs = (x * cols + (row % 2) * shift) % cols
    piece = rng.standard_normal((rows, cols))[row, xs.astype(int)]
    fy, fx = (y * rows) % 1, xs % 1
    lines = (np.minimum(fy, 1 - fy) / rows < joint / 2) | (np.minimum(fx, 1 - fx) / cols < joint / 2)
    body = 1 + spread * piece + relief * fractal(rng, n, slope) + relief * fractal(rng, n, 0.5)
    return body, lines, piece


def paving(rng, n=512):
    """2.4 m of concrete slabs."""
    body, lines, _ = grid(rng, n, 4, 3, 0.006, spread=0.05)
    return grey(np.where(lines, 0.48, 0.74 * body), (1.0, 0.985, 0.95))


def blocks(rng, n=512):
    """1.6 m of small block paving."""
    body, lines, piece = grid(rng, n, 16, 8, 0.008, spread=0.09)
    colour = np.stack([0.74 + 0.05 * piece, 0.68 + 0.02 * piece, 0.64 + 0 * piece], -1)
    return np.clip(np.where(lines, 0.5, body)[..., None] * colour, 0, 1)


def setts(rng, n=512):
    """2 m of granite setts."""
    body, lines, _ = grid(rng, n, 16, 12, 0.012, spread=0.12)
    return grey(np.where(lines, 0.42, 0.68 * body))


def concrete(rng, n=512):
    return grey(0.78 + 0.05 * fractal(rng, n, 1.8) + 0.02 * fractal(rng, n, 0.4))


def brick(rng, base, mortar, spread=0.10, hue=0.06, n=512):
    """2.25 m of stretcher-bond brickwork (10 x 30 bricks), weathered."""
    body, lines, _piece = grid(rng, n, 30, 10, 0.0045, spread=spread, relief=0.05)
    tone = rng.standard_normal((30, 10))
    y, x = np.mgrid[0:n, 0:n] / n
    row = (y * 30).astype(int)
    warm = tone[row, ((x * 10 + (row % 2) * 0.5) % 10).astype(int)] * hue
    colour = np.asarray(base) * body[..., None] * (1 + np.stack([warm, 0 * warm, -warm], -1))
    soot = 1 + 0.07 * fractal(rng, n, 2.4)
    return np.clip(np.where(lines[..., None], np.asarray(mortar), colour) * soot[..., None], 0, 1)


def ashlar(rng, n=512):
    """3 m of dressed stone."""
    body, lines, _piece = grid(rng, n, 9, 5, 0.004, spread=0.07, relief=0.05)
    return np.clip(np.where(lines, 0.6, 0.8 * body)[..., None] * np.array([1, 0.95, 0.84]), 0, 1)


def plaster(rng, n=512):
    """4 m of painted render with run-off streaks."""
    streak = fractal(rng, n, 2.0, (0.15, 1.0))
    return grey(0.9 + 0.018 * fractal(rng, n, 1.6) + 0.03 * np.clip(streak, -2, 0.5))


def cladding(rng, n=512):
    """2 m of boards or profiled metal: one shade line every 0.2 m."""
    y = (np.mgrid[0:n, 0:n][1] / n * 10) % 1
    body = 0.82 + 0.05 * fractal(rng, n, 1.8, (0.1, 1)) - 0.3 * np.exp(-(((y - 0.04) / 0.05) ** 2))
    return grey(body)


def tiles(rng, n=512):
    """2.4 m of roof slates or tiles."""
    body, lines, _ = grid(rng, n, 12, 9, 0.006, spread=0.10, relief=0.05)
    y = (np.mgrid[0:n, 0:n][0] / n * 12) % 1
    return grey(np.where(lines, 0.5, (0.86 - 0.14 * y) * body))


def mottled(rng, n=256, depth=0.12, slope=1.6, stretch=(1, 1)):
    return grey(0.82 + depth * fractal(rng, n, slope, stretch))


def grass(rng, n=512):
    """3 m of lawn."""
    a, b = fractal(rng, n, 0.8), fractal(rng, n, 2.0)
    return np.clip(np.stack([0.40 + 0.05 * a + 0.07 * b, 0.46 + 0.07 * a + 0.03 * b, 0.24 + 0.04 * a], -1), 0, 1)


BRICKS = {  # brick and mortar, in display values
    "brick_red": ((0.56, 0.31, 0.24), (0.66, 0.60, 0.55)),
    "brick_yellow": ((0.71, 0.61, 0.43), (0.70, 0.66, 0.58)),
    "brick_brown": ((0.44, 0.31, 0.25), (0.55, 0.50, 0.45)),
    "brick_grey": ((0.60, 0.56, 0.50), (0.66, 0.63, 0.58)),
    "brick_dark": ((0.37, 0.30, 0.27), (0.46, 0.43, 0.40)),
}

SURFACES = {
    "asphalt": asphalt,
    "ground_wear": ground_wear,
    "paving": paving,
    "blocks": blocks,
    "setts": setts,
    "concrete": concrete,
    "ashlar": ashlar,
    "plaster": plaster,
    "cladding": cladding,
    "tiles": tiles,
    "grass": grass,
    "bark": lambda r: mottled(r, depth=0.16, stretch=(0.3, 1)),
    "cloth": lambda r: mottled(r, depth=0.03, slope=1.8),
    "wood": lambda r: mottled(r, depth=0.10, stretch=(0.12, 1)),
    "worn_paint": lambda r: mottled(r, depth=0.10, slope=1.2),
}


def surface(name):
    """Draw one named surface; its stream depends on the name alone, so every scene shares it."""
    rng = array_stream("surface", name)
    return brick(rng, *BRICKS[name]) if name in BRICKS else SURFACES[name](rng)
