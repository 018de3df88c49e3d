"""Car bodies as lofts: a table of side profiles, and the skin drawn through their cross-sections."""

import numpy as np

from .mesh import Mesh

# Along the length, in metres from the front: bonnet start, foot and top of the windscreen, top and foot of the rear
# screen, tail. Heights: bonnet front, bonnet rear, roof, boot or tail. Then length, half width, ride height, wheel.
SHAPES = {
    "hatch": {
        "y": (0.0, 1.05, 1.75, 3.0, 3.65, 3.85),
        "z": (0.68, 0.92, 1.45, 1.02),
        "half": 0.83,
        "ride": 0.20,
        "wheel": 0.30,
        "posts": 2,
    },
    "small": {
        "y": (0.0, 0.85, 1.5, 2.85, 3.35, 3.5),
        "z": (0.70, 0.95, 1.50, 1.05),
        "half": 0.79,
        "ride": 0.20,
        "wheel": 0.28,
        "posts": 2,
    },
    "saloon": {
        "y": (0.0, 1.25, 2.0, 3.1, 3.75, 4.5),
        "z": (0.66, 0.92, 1.42, 0.98),
        "half": 0.87,
        "ride": 0.19,
        "wheel": 0.31,
        "posts": 2,
    },
    "estate": {
        "y": (0.0, 1.25, 2.0, 4.05, 4.45, 4.6),
        "z": (0.66, 0.92, 1.46, 1.04),
        "half": 0.87,
        "ride": 0.20,
        "wheel": 0.31,
        "posts": 3,
    },
    "suv": {
        "y": (0.0, 1.15, 1.75, 3.95, 4.3, 4.45),
        "z": (0.88, 1.08, 1.76, 1.18),
        "half": 0.90,
        "ride": 0.30,
        "wheel": 0.36,
        "posts": 3,
    },
    "people": {
        "y": (0.0, 0.9, 1.85, 3.9, 4.25, 4.4),
        "z": (0.74, 1.0, 1.68, 1.10),
        "half": 0.89,
        "ride": 0.22,
        "wheel": 0.31,
        "posts": 3,
    },
    "taxi": {
        "y": (0.0, 1.35, 1.85, 3.75, 4.35, 4.55),
        "z": (0.86, 1.02, 1.80, 1.10),
        "half": 0.88,
        "ride": 0.26,
        "wheel": 0.33,
        "posts": 2,
    },
    "van": {
        "y": (0.0, 0.75, 1.55, 4.8, 4.88, 4.95),
        "z": (0.85, 1.15, 2.15, 1.25),
        "half": 0.97,
        "ride": 0.28,
        "wheel": 0.33,
        "posts": 0,
    },
    "smallvan": {
        "y": (0.0, 0.9, 1.6, 4.0, 4.1, 4.2),
        "z": (0.80, 1.05, 1.82, 1.15),
        "half": 0.86,
        "ride": 0.24,
        "wheel": 0.30,
        "posts": 0,
    },
}


def body(shape, paint, rng, plastic):
    """The painted and glazed skin. The car stands at the origin, centred, its front towards +y."""
    p = SHAPES[shape]
    y0, yw0, yw1, yr1, yr0, y1 = p["y"]
    zf, zb, zr, zt = (z * rng.uniform(0.97, 1.03) for z in p["z"])
    length = y1 + 0.0
    ys = [y0, y0 + 0.06, y0 + 0.25, (y0 + yw0) / 2, yw0]  # nose and bonnet
    ys += [yw0 + (yw1 - yw0) * t for t in (0.5, 1.0)]  # windscreen
    posts = [yw1 + (yr1 - yw1) * (k + 1) / (p["posts"] + 1) for k in range(p["posts"])]
    roof = sorted(
        {
            round(v, 3)
            for v in ([yw1 + 0.35, (yw1 + yr1) / 2, yr1 - 0.02] + [q + e for q in posts for e in (-0.04, 0.04)])
        }
    )
    ys += [v for v in roof if yw1 + 0.1 < v < yr1] + [yr1, (yr1 + yr0) / 2, yr0]
    ys += [v for v in ((yr0 + y1) / 2, y1 - 0.12) if v > yr0 + 0.08] + [y1 - 0.03, y1]
    ys = np.array(ys)
    end = np.minimum(1, np.minimum(ys / 0.55, (length - ys) / 0.45))  # 0 at both ends
    half = p["half"] * (0.86 + 0.14 * np.sqrt(np.clip(end, 0, 1))) * np.where((ys == y0) | (ys == y1), 0.97, 1)
    deck = np.interp(ys, [y0, y0 + 0.25, yw0, yr0, y1 - 0.12, y1], [zf - 0.12, zf, zb, zt, zt - 0.02, zt - 0.12])
    belt = np.interp(
        ys, [y0, y0 + 0.25, yw0, yr0, y1], [zf - 0.14, zf - 0.05, zb - 0.03, max(zt, zb + 0.04) - 0.03, zt - 0.14]
    )
    top = np.interp(ys, [yw0, yw1, yw1 + 0.5 * (yr1 - yw1), yr1, yr0], [zb + 0.02, zr - 0.05, zr, zr - 0.07, zt + 0.02])
    cabin = (ys > yw0 + 1e-6) & (ys < yr0 - 1e-6)
    top = np.where(cabin, top, deck + 0.03)
    low = p["ride"] + 0.10 * (1 - np.clip(np.minimum(ys, length - ys) / 0.4, 0, 1))
    ring = _ring(half, low, belt, top, cabin, zr)
    rings = np.concatenate([ring, (ring * (-1, 1, 1))[:, ::-1][:, 1:]], 1)  # mirror across x
    rings[..., 1] = (length / 2 - ys)[:, None]

    def glass_at(i):
        return (cabin[i] and cabin[i + 1]) or cabin[i] != cabin[i + 1]

    n = ring.shape[1]
    on_post = [any(abs((ys[i] + ys[i + 1]) / 2 - q) < 0.05 for q in posts) for i in range(len(ys) - 1)]
    solid = {"van": yw1 + 0.75, "smallvan": yw1 + 0.85}.get(shape, 99)

    def material(i, j):
        j = min(j, 2 * n - 3 - j)
        y = (ys[i] + ys[i + 1]) / 2
        if j == 0:
            return "rubber"
        if j == 1 or (j == 2 and plastic and (y < 0.3 or y > length - 0.25)):
            return "rubber" if plastic else "carpaint"
        if not glass_at(i):
            return "carpaint"
        screen = y < yw1 or y > yr1
        if (
            j == 5
            and not on_post[i]
            and y < solid
            and not (screen and (y < yw0 + 0.3 * (yw1 - yw0) or y > yr0 - 0.4 * (yr0 - yr1)))
        ):
            return "glass"
        if j >= 7 and screen and (y < yw1 or y < solid):
            return "glass"
        return "carpaint"

    mesh = Mesh()
    mesh.loft(
        rings,
        material,
        lambda m: {"carpaint": paint, "glass": (0.015, 0.02, 0.022)}.get(m, (0.025, 0.025, 0.027)),
        smooth=not shape.endswith("van"),
    )
    for k in (0, -1):
        face = rings[k] if k else rings[k][::-1]
        mesh.add(face, [tuple(range(len(face)))], "carpaint", paint)
        if plastic:  # an unpainted bumper across the end
            y, w = rings[k][0, 1], half[k] * 0.97
            mesh.box(
                (-w, y - 0.05, p["ride"] + 0.06),
                (w, y + 0.05, p["ride"] + 0.30),
                "rubber",
                (0.03, 0.03, 0.03),
                bottom=True,
            )
    return mesh, length, p


def _ring(half, low, belt, top, cabin, roof):
    """Right half of every cross-section, bottom centre to top centre."""
    k = len(half)
    lean = np.where(cabin, 0.80 + 0.14 * (roof - top) / max(roof - belt.mean(), 0.3), 0.86)
    lean = np.clip(lean, 0.78, 0.94)
    zero, one = np.zeros(k), np.ones(k)
    mid = low + 0.55 * (belt - low)
    x = [
        zero,
        half * 0.86,
        half * 0.97,
        half,
        half * 0.985,
        half * 0.95,
        np.where(cabin, half * lean, half * 0.84),
        np.where(cabin, half * lean * 0.93, half * 0.74),
        np.where(cabin, half * lean * 0.55, half * 0.4),
        zero,
    ]
    glass_top = np.where(cabin, np.maximum(top - 0.09, belt + 0.02), top - 0.02)
    z = [
        low,
        low,
        low + 0.09,
        mid,
        belt - 0.05,
        belt,
        glass_top,
        np.where(cabin, top - 0.025, top - 0.005),
        top,
        top + 0.01 * one,
    ]
    y = zero
    return np.stack([np.stack(x, 1), np.stack([y] * 10, 1), np.stack(z, 1)], -1)
