"""Street furniture: lamp posts, traffic lights, signs, bollards, shelters, bins. Returns ``{class: Mesh}``.

Each piece stands at the origin; the road is towards -x (so +x is away from it) and traffic comes along +y, which
means that signs face -y.
"""

from collections import defaultdict

import numpy as np

from . import atlases
from .classes import IGNORE, POLE, SIGN, TREE
from .mesh import WHITE, Mesh
from .posts import STEELS, post
from .rng import jitter, pick
from .signs import plate
from .vegetation import bush


def lamp_post(rng, kind=None):
    """A tall column with an arm, a column with a lantern on top, or an old cast-iron lantern."""
    kind = kind or pick(rng, {"arm": 0.5, "top": 0.25, "lantern": 0.25})
    parts, col = defaultdict(Mesh), jitter(rng, rng.choice(STEELS), 0.25)
    m = parts[POLE]
    if kind == "lantern":
        h = rng.uniform(3.2, 4.6)
        m.tube(
            [(0, 0, -0.2), (0, 0, 0.9), (0, 0, 0.95), (0, 0, h)],
            [0.11, 0.10, 0.06, 0.045],
            "paint",
            (0.02, 0.025, 0.02),
            8,
        )
        m.tube(
            [(0, 0, h), (0, 0, h + 0.1), (0, 0, h + 0.55), (0, 0, h + 0.75)],
            [0.05, 0.12, 0.2, 0.02],
            "gloss",
            (0.4, 0.4, 0.36),
            6,
        )
        m.box((-0.25, -0.02, h - 0.35), (0.25, 0.02, h - 0.31), "paint", (0.02, 0.025, 0.02), bottom=True)
        return parts
    h = rng.uniform(5, 6.5) if kind == "top" else rng.uniform(7, 10.5)
    r = 0.055 if kind == "top" else 0.075
    m.tube([(0, 0, -0.2), (0, 0, 1.3), (0, 0, 1.35), (0, 0, h)], [r * 1.5, r * 1.5, r, r * 0.7], "paint", col, 8)
    reach = rng.uniform(0.9, 2.2) if kind == "arm" else 0.25
    if kind == "arm":
        m.tube([(0, 0, h - 0.1), (-reach * 0.3, 0, h + 0.28), (-reach, 0, h + 0.35)], r * 0.55, "paint", col, 6)
        m.box(
            (-reach - 0.55, -0.13, h + 0.28),
            (-reach, 0.13, h + 0.42),
            "paint",
            jitter(rng, (0.4, 0.4, 0.4), 0.3),
            bottom=True,
        )
    else:
        m.ball((0, 0, h + 0.1), (0.22, 0.22, 0.13), "paint", (0.45, 0.45, 0.43), 6)
    return parts


def bollard(rng):
    parts, h = defaultdict(Mesh), rng.uniform(0.85, 1.1)
    r, col = (
        rng.uniform(0.05, 0.09),
        rng.choice([(0.02, 0.02, 0.02), (0.35, 0.35, 0.35), (0.1, 0.07, 0.05), (0.5, 0.5, 0.48)]),
    )
    parts[POLE].tube(
        [(0, 0, -0.1), (0, 0, h * 0.8), (0, 0, h * 0.82), (0, 0, h)], [r, r * 0.85, r * 1.15, r * 0.5], "paint", col, 8
    )
    return parts


def telegraph(rng):
    parts, h = defaultdict(Mesh), rng.uniform(7, 9)
    parts[POLE].tube([(0, 0, -0.2), (0, 0, h)], [0.13, 0.09], "wood", (0.2, 0.14, 0.09), 8)
    parts[POLE].box((-0.6, -0.05, h - 0.5), (0.6, 0.05, h - 0.38), "wood", (0.2, 0.14, 0.09), bottom=True)
    return parts


def shelter(rng):
    """A bus stop: flag on a pole (Pole, SignSymbol) and a glass shelter (unlabelled)."""
    parts = post(rng, 2.9, 0.04)
    plate(parts[SIGN], 0.25, -0.05, 2.6, 0.42, 0.5, "roadsigns", rng.randrange(13, 22))
    m = parts[IGNORE]
    for x in (0.9, 1.9):
        for y in (0.8, 2.4, 4.2):
            m.box((x - 0.03, y - 0.03, 0), (x + 0.03, y + 0.03, 2.3), "metal", (0.15, 0.16, 0.17))
    m.box((0.5, 0.6, 2.3), (2.05, 4.4, 2.42), "metal", (0.2, 0.21, 0.22), bottom=True)
    m.box((1.87, 0.8, 0.3), (1.9, 4.2, 2.1), "gloss", (0.16, 0.18, 0.18), bottom=True)
    m.box((1.5, 1.0, 0.5), (1.8, 4.0, 0.56), "wood", (0.2, 0.15, 0.1), bottom=True)
    m.quad(
        (1.85, 0.78, 0.4),
        (0.95, 0.78, 0.4),
        (0.95, 0.78, 2.1),
        (1.85, 0.78, 2.1),
        "posters",
        WHITE,
        atlases.cell("posters", rng.randrange(12)),
    )
    m.quad(
        (0.95, 0.77, 0.4),
        (1.85, 0.77, 0.4),
        (1.85, 0.77, 2.1),
        (0.95, 0.77, 2.1),
        "posters",
        WHITE,
        atlases.cell("posters", rng.randrange(12)),
    )
    return parts


def small_thing(rng):
    """A bin, bench, cabinet, pillar box or telephone box: none of the classes."""
    parts = defaultdict(Mesh)
    m, kind = (
        parts[IGNORE],
        pick(rng, {"bin": 0.36, "bench": 0.18, "cabinet": 0.26, "pillar": 0.08, "phone": 0.06, "wheelie": 0.06}),
    )
    if kind == "bin":
        m.tube(
            [(0, 0, 0), (0, 0, 0.85), (0, 0, 0.9), (0, 0, 1.1)],
            [0.2, 0.25, 0.27, 0.1],
            "paint",
            rng.choice([(0.02, 0.02, 0.02), (0.03, 0.07, 0.04), (0.2, 0.2, 0.2)]),
            10,
        )
    elif kind == "bench":
        for z, y0, y1 in ((0.42, -0.2, 0.2), (0.6, 0.2, 0.24), (0.78, 0.24, 0.28)):
            m.box((-0.8, y0, z), (0.8, y1, z + (0.05 if z < 0.5 else 0.1)), "wood", (0.22, 0.14, 0.08), bottom=True)
        for x in (-0.65, 0.65):
            m.box((x - 0.04, -0.2, 0), (x + 0.04, 0.28, 0.42), "paint", (0.03, 0.03, 0.03))
    elif kind == "cabinet":
        m.box(
            (-0.45, -0.2, 0),
            (0.45, 0.2, rng.uniform(0.9, 1.5)),
            "paint",
            rng.choice([(0.04, 0.1, 0.06), (0.25, 0.26, 0.25), (0.06, 0.06, 0.06)]),
        )
    elif kind == "pillar":
        m.tube(
            [(0, 0, 0), (0, 0, 0.2), (0, 0, 0.22), (0, 0, 1.35), (0, 0, 1.38), (0, 0, 1.55)],
            [0.27, 0.27, 0.23, 0.23, 0.28, 0.08],
            "paint",
            (0.4, 0.01, 0.01),
            14,
        )
    elif kind == "phone":
        m.box((-0.45, -0.45, 0), (0.45, 0.45, 2.4), "paint", rng.choice([(0.4, 0.01, 0.01), (0.05, 0.05, 0.05)]))
        for yaw in range(3):
            q = [(-0.36, -0.452, 0.4), (0.36, -0.452, 0.4), (0.36, -0.452, 2.0), (-0.36, -0.452, 2.0)]
            r = [(x, y, z) if yaw == 0 else ((y, -x, z) if yaw == 1 else (-y, x, z)) for x, y, z in q]
            m.quad(*r, "gloss", (0.06, 0.065, 0.065))
    else:
        m.box(
            (-0.28, -0.3, 0.1),
            (0.28, 0.3, 1.0),
            "rubber",
            rng.choice([(0.03, 0.03, 0.03), (0.02, 0.08, 0.03), (0.03, 0.05, 0.15)]),
        )
        m.box((-0.3, -0.35, 1.0), (0.3, 0.33, 1.08), "rubber", (0.03, 0.03, 0.03), bottom=True)
    return parts


def planter(rng):
    """A tub with a shrub in it."""
    parts = defaultdict(Mesh)
    parts[IGNORE].box((-0.5, -0.5, 0), (0.5, 0.5, 0.5), rng.choice(["wood", "concrete"]), (0.3, 0.25, 0.2))
    size = np.diag([0.55, 0.55, 0.6, 1.0])
    size[2, 3] = 0.4
    parts[TREE].join(bush(rng.randrange(6)), size)
    return parts
