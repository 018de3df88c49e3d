"""Whole buildings by style; each returns ``{class: Mesh}`` in the frame of its front (see facades.py)."""

from collections import defaultdict

from . import facades, roofs
from .classes import BUILDING
from .mesh import Mesh
from .rng import jitter, pick

PAINTS = [
    (0.78, 0.76, 0.70),
    (0.72, 0.66, 0.52),
    (0.62, 0.62, 0.6),
    (0.75, 0.62, 0.55),
    (0.55, 0.62, 0.66),
    (0.80, 0.80, 0.79),
    (0.45, 0.42, 0.38),
    (0.66, 0.55, 0.36),
]
SKIRT = -1.5  # walls go below the ground, so that slopes leave no gap


def materials_for(rng, table):
    mat = pick(rng, table)
    if mat.startswith("brick"):
        return mat, jitter(rng, (1, 1, 1), 0.22)
    if mat == "plaster":
        return mat, jitter(rng, rng.choice(PAINTS), 0.12)
    if mat == "cladding":
        return mat, jitter(
            rng, rng.choice([(0.5, 0.5, 0.52), (0.3, 0.33, 0.36), (0.35, 0.24, 0.16), (0.62, 0.62, 0.6)]), 0.2
        )
    return mat, jitter(
        rng, {"concrete": (0.55, 0.53, 0.5), "ashlar": (0.75, 0.75, 0.75)}.get(mat, (0.8, 0.8, 0.8)), 0.2
    )


def shell(mesh, w, d, h, mat, col):
    """The three walls that are not the front."""
    for a, b in (((w, 0), (w, d)), ((w, d), (0, d)), ((0, d), (0, 0))):
        mesh.quad((*a, SKIRT), (*b, SKIRT), (*b, h), (*a, h), mat, col)


def storeys(parts, rng, w, z0, floors, storey, style, mat, col, size, trim, first=0):
    """Rows of windows above height z0; returns their holes."""
    mesh = parts[BUILDING]
    n = max(1, round(w / (size[0] * rng.uniform(1.9, 2.5))))
    holes = []
    for f in range(first, floors):
        tall = size[1] * (0.72 if f == floors - 1 and floors > 2 else 1)
        base = z0 + f * storey + (storey - tall) * 0.45
        for k in range(n):
            x = w * (k + 0.5) / n
            hole = (x - size[0] / 2, x + size[0] / 2, base, base + tall)
            holes.append(hole)
            facades.window(mesh, rng, hole, style, mat, col, trim)
    return holes


def house(rng, w, d, floors=None, ground="door"):
    """Brick, stucco or stone terrace house or cottage; the ground floor may be a shop."""
    parts = defaultdict(Mesh)
    mesh = parts[BUILDING]
    mat, col = materials_for(
        rng,
        {
            "brick_red": 0.14,
            "brick_yellow": 0.26,
            "brick_brown": 0.16,
            "brick_dark": 0.10,
            "plaster": 0.28,
            "ashlar": 0.06,
        },
    )
    floors = floors or rng.choice([2, 2, 3, 3])
    storey = rng.uniform(2.7, 3.3)
    low = rng.uniform(3.2, 3.8) if ground == "shop" else storey
    h = low + (floors - 1) * storey + 0.3
    style = rng.choice([0, 0, 1, 1, 2, 4])
    trim = rng.choice([facades.STONE, (0.75, 0.75, 0.73), (0.75, 0.75, 0.73), None, col])
    size = (rng.uniform(0.9, 1.25), rng.uniform(1.4, 1.9))
    holes = storeys(parts, rng, w, low - storey, floors, storey, style, mat, col, size, trim, first=1)
    if ground == "shop":
        n = max(1, round(w / rng.uniform(4.5, 8)))
        tint = jitter(
            rng,
            rng.choice(
                [
                    (0.6, 0.6, 0.58),
                    (0.05, 0.05, 0.06),
                    (0.05, 0.12, 0.1),
                    (0.25, 0.05, 0.05),
                    (0.08, 0.1, 0.25),
                    col if mat == "plaster" else (0.3, 0.28, 0.25),
                ]
            ),
            0.15,
        )
        for k in range(n):
            facades.shop(parts, rng, w * k / n, w * (k + 1) / n, low, tint)
        facades.wall(mesh, 0, w, low, h, holes, mat, col)
    else:
        holes += _front_rooms(parts, rng, w, storey, style, mat, col, size, trim, floors)
        facades.wall(mesh, 0, w, SKIRT, h, holes, mat, col)
    if rng.random() < 0.35:
        z = low - 0.1 if ground == "shop" else low
        mesh.box((0, -0.06, z), (w, 0.02, z + 0.2), "plaster", facades.STONE, bottom=True)
    shell(mesh, w, d, h, mat, col)
    facades.clutter(parts, rng, w, h - 0.4)
    kind = pick(
        rng, {"pitched": 0.6, "flat": 0.16, "gabled": 0.12 if w < 8 else 0, "mansard": 0.12 if floors > 2 else 0}
    )
    getattr(roofs, kind)(mesh, rng, w, d, h, mat, col)
    return parts


def _front_rooms(parts, rng, w, storey, style, mat, col, size, trim, floors):
    """The ground floor of a house: doors, windows or bays. Returns the holes."""
    mesh, holes = parts[BUILDING], []
    units = max(1, round(w / 5.2))
    bay = w / units > 4.2 and rng.random() < 0.4
    for k in range(units):
        a, b = w * k / units, w * (k + 1) / units
        flip = k % 2 == 1
        x = (b - 1.1) if flip else (a + 1.1)
        holes.append((x - 0.48, x + 0.48, 0.0, 2.35))
        facades.door(mesh, rng, x - 0.48, x + 0.48, 2.35, mat, col)
        c = (a + b - 1.7) / 2 + (0 if flip else 1.7) + (-0.1 if flip else 0.1)
        if bay:
            facades.bay_window(mesh, rng, c, 2.5, 0, rng.choice([1, min(2, floors)]), storey, style, mat, col)
        else:
            hole = (c - size[0] * 0.6, c + size[0] * 0.6, 0.85, 2.35 - 0.001)
            if hole[0] > a + 0.2 and hole[1] < b - 0.2:
                holes.append(hole)
                facades.window(mesh, rng, hole, style, mat, col, trim)
    fixed = []  # a row of holes must share its heights: windows and doors of one floor are cut as full-height slots
    for x0, x1, z0, _z1 in holes:
        fixed.append((x0, x1, 0.0, 2.35))
        if z0 > 0:
            facades._flat(mesh, x0, x1, 0.0, z0, mat, col)
    return fixed
