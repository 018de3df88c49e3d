"""Fences, railings and walls along a line. Built in the frame of one run: x along it, faces in y, z up.

Railings, boards, panels and wire are Fence; masonry is Building; hedges are Tree.
"""

from collections import defaultdict

import numpy as np

from .classes import BUILDING, FENCE, TREE
from .mesh import Mesh
from .rng import jitter, pick
from .vegetation import hedge


def run(rng, length, kind):
    """One straight run of some kind, starting at the origin."""
    parts = defaultdict(Mesh)
    KINDS[kind](rng, parts, length)
    return parts


def _bars(mesh, length, z0, z1, gap, width, mat, col, deep=None):
    n = max(1, int(length / gap))
    for k in range(n):
        x = gap * (k + 0.5)
        mesh.box((x - width / 2, -(deep or width) / 2, z0), (x + width / 2, (deep or width) / 2, z1), mat, col)


def _rail(mesh, length, z, h, mat, col, deep=0.05):
    mesh.box((0, -deep / 2, z), (length, deep / 2, z + h), mat, col, bottom=True)


def railing(rng, parts, length):
    """Black or green iron railings, perhaps on a low wall."""
    col, base = rng.choice([(0.02, 0.02, 0.02), (0.03, 0.06, 0.04), (0.12, 0.1, 0.08)]), 0.0
    if rng.random() < 0.4:
        base = rng.uniform(0.3, 0.6)
        parts[BUILDING].box((0, -0.14, -0.5), (length, 0.14, base), *_masonry(rng))
    top = base + rng.uniform(0.8, 1.4)
    m = parts[FENCE]
    _bars(m, length, base, top, 0.13, 0.025, "paint", col)
    for z in (base + 0.12, top - 0.15):
        _rail(m, length, z, 0.04, "paint", col, 0.03)


def guard(rng, parts, length):
    """The galvanised guard rail of British crossings."""
    col = jitter(rng, (0.42, 0.43, 0.44), 0.25) if rng.random() < 0.8 else (0.02, 0.02, 0.02)
    m = parts[FENCE]
    _bars(m, length, 0.15, 1.0, 0.11, 0.018, "paint", col)
    for z in (0.13, 0.84, 1.0):
        _rail(m, length, z, 0.045, "paint", col, 0.045)
    _bars(m, length, -0.1, 1.05, 2.0, 0.055, "paint", col)


def boards(rng, parts, length):
    """A close-boarded wooden fence."""
    h = rng.uniform(1.3, 2.0)
    col = jitter(rng, rng.choice([(0.28, 0.18, 0.10), (0.35, 0.29, 0.22), (0.20, 0.15, 0.11), (0.42, 0.38, 0.33)]), 0.2)
    m = parts[FENCE]
    for k in range(int(length / 0.15)):
        x, c = 0.15 * k, jitter(rng, col, 0.12)
        m.box((x, -0.02 - 0.01 * (k % 2), 0), (x + 0.145, 0.02, h + rng.uniform(-0.015, 0.015)), "wood", c)
    _bars(m, length, -0.2, h + 0.08, 2.0, 0.1, "wood", col)


def picket(rng, parts, length):
    col, h = rng.choice([(0.7, 0.7, 0.68), (0.3, 0.22, 0.14), (0.35, 0.36, 0.35)]), rng.uniform(0.8, 1.1)
    m = parts[FENCE]
    _bars(m, length, 0.05, h, 0.16, 0.08, "wood", col, 0.02)
    for z in (0.25, h - 0.25):
        _rail(m, length, z, 0.08, "wood", col)


def mesh_wire(rng, parts, length):
    """Welded wire panels between posts."""
    h, col = rng.uniform(1.6, 2.4), rng.choice([(0.05, 0.14, 0.07), (0.35, 0.36, 0.36), (0.03, 0.03, 0.03)])
    m = parts[FENCE]
    n = int(length / 0.09)
    x = (np.arange(n) + 0.5) * 0.09
    z = np.arange(0.1, h, 0.18)
    v = [
        np.stack(
            [
                np.stack([x + a, 0 * x, 0 * x + b], 1)
                for a, b in ((-0.006, 0.05), (0.006, 0.05), (0.006, h), (-0.006, h))
            ],
            1,
        )
    ]
    v += [
        np.stack(
            [
                np.stack([0 * z + a, 0 * z, z + b], 1)
                for a, b in ((0, -0.006), (length, -0.006), (length, 0.006), (0, 0.006))
            ],
            1,
        )
    ]
    v = np.concatenate(v)
    m.add(v.reshape(-1, 3), np.arange(4 * len(v)).reshape(-1, 4), "metal", col)
    _bars(m, length, -0.2, h + 0.05, 2.5, 0.06, "paint", col)


def palisade(rng, parts, length):
    col, h = (
        jitter(rng, rng.choice([(0.35, 0.36, 0.36), (0.04, 0.1, 0.06), (0.03, 0.05, 0.12)]), 0.2),
        rng.uniform(1.7, 2.3),
    )
    m = parts[FENCE]
    _bars(m, length, 0.05, h, 0.155, 0.07, "paint", col, 0.02)
    for z in (0.35, h - 0.35):
        _rail(m, length, z, 0.06, "paint", col)


def panels(rng, parts, length):
    """Solid panels: site hoarding, concrete or metal sheet. From afar it looks like a wall."""
    h = rng.uniform(1.6, 2.4)
    mat, col = rng.choice(
        [
            ("cladding", (0.4, 0.42, 0.44)),
            ("plaster", (0.62, 0.6, 0.56)),
            ("concrete", (0.5, 0.49, 0.46)),
            ("wood", (0.3, 0.2, 0.13)),
            ("paint", (0.08, 0.15, 0.3)),
        ]
    )
    parts[FENCE].box((0, -0.03, 0), (length, 0.03, h), mat, jitter(rng, col, 0.2))
    _bars(parts[FENCE], length, -0.2, h + 0.05, 2.4, 0.12, mat, jitter(rng, col, 0.1))


def _masonry(rng):
    mat = rng.choice(["brick_red", "brick_yellow", "brick_brown", "brick_dark", "plaster", "ashlar", "concrete"])
    return mat, jitter(
        rng, {"plaster": (0.7, 0.68, 0.62), "concrete": (0.5, 0.48, 0.45)}.get(mat, (0.85, 0.85, 0.85)), 0.2
    )


def low_wall(rng, parts, length):
    h = rng.uniform(0.5, 1.1)
    mat, col = _masonry(rng)
    parts[BUILDING].box((0, -0.12, -0.6), (length, 0.12, h), mat, col)
    parts[BUILDING].box((-0.02, -0.16, h), (length + 0.02, 0.16, h + 0.07), "concrete", (0.5, 0.5, 0.47), bottom=True)
    if rng.random() < 0.3:
        _hedge(rng, parts, length, 0.3, 1.0, 0.4)


def high_wall(rng, parts, length):
    h = rng.uniform(1.6, 2.8)
    mat, col = _masonry(rng)
    parts[BUILDING].box((0, -0.15, -0.6), (length, 0.15, h), mat, col)
    parts[BUILDING].box((-0.02, -0.2, h), (length + 0.02, 0.2, h + 0.1), "concrete", (0.5, 0.5, 0.47), bottom=True)
    _bars(parts[BUILDING], length, -0.6, h, 4.0, 0.45, mat, col)


def hedgerow(rng, parts, length):
    _hedge(rng, parts, length, 0.0, rng.uniform(0.9, 2.1), rng.uniform(0, 0.4))


def _hedge(rng, parts, length, z, height, back):
    kind, deep = rng.randrange(8), rng.uniform(0.8, 1.4)
    n = max(1, round(length / 2))
    for k in range(n):
        m = np.diag([length / n / 2, deep, height * rng.uniform(0.94, 1.06), 1.0])
        m[:3, 3] = (length * (k + 0.5) / n, back, z)
        parts[TREE].join(hedge(kind), m)


KINDS = {
    "railing": railing,
    "guard": guard,
    "boards": boards,
    "picket": picket,
    "mesh": mesh_wire,
    "palisade": palisade,
    "panels": panels,
    "low_wall": low_wall,
    "high_wall": high_wall,
    "hedge": hedgerow,
}
WEIGHTS = {  # by what lies behind
    "gardens": {"low_wall": 0.34, "hedge": 0.20, "railing": 0.12, "boards": 0.16, "picket": 0.10, "panels": 0.08},
    "terrace": {"low_wall": 0.5, "railing": 0.3, "hedge": 0.2},
    "park": {"railing": 0.40, "hedge": 0.15, "mesh": 0.12, "palisade": 0.10, "low_wall": 0.13, "boards": 0.10},
    "wall": {"high_wall": 0.45, "boards": 0.15, "panels": 0.18, "palisade": 0.12, "mesh": 0.10},
    "verge": {"mesh": 0.2, "palisade": 0.2, "boards": 0.2, "hedge": 0.2, "guard": 0.2},
    "carpark": {"guard": 0.35, "railing": 0.2, "mesh": 0.2, "low_wall": 0.15, "hedge": 0.10},
    "church": {"railing": 0.5, "low_wall": 0.5},
}


def draw(rng, zone):
    return pick(rng, WEIGHTS[zone])
