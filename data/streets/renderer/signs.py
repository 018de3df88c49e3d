"""Road signs, traffic lights, beacons and boards; the same frame as in furniture.py."""

import math
from collections import defaultdict

import numpy as np

from . import atlases
from .classes import POLE, SIGN
from .mesh import WHITE, Mesh
from .posts import post
from .rng import pick


def disc(mesh, x, y, z, radius, index, sides=20):
    """A round road sign from its picture, with a grey back."""
    u0, v0, u1, v1 = atlases.cell("roadsigns", index)
    a = [2 * math.pi * k / sides for k in range(sides)]
    pts = [(x + radius * math.cos(t), y, z + radius * math.sin(t)) for t in a]
    uv = [
        [
            ((u0 + u1) / 2 + (u1 - u0) / 2 * 0.98 * math.cos(t), (v0 + v1) / 2 + (v1 - v0) / 2 * 0.98 * math.sin(t))
            for t in a
        ]
    ]
    mesh.add(pts, [tuple(range(sides))], "roadsigns", WHITE, uv)
    mesh.add([(p[0], y + 0.015, p[2]) for p in pts][::-1], [tuple(range(sides))], "metal", (0.3, 0.3, 0.3))


def triangle(mesh, x, y, z, size, index):
    u0, v0, u1, v1 = atlases.cell("roadsigns", index)
    pts = [(x - size, y, z - size * 0.75), (x + size, y, z - size * 0.75), (x, y, z + size)]
    uv = [[(u0 + (u1 - u0) * a, v0 + (v1 - v0) * b) for a, b in ((0.03, 0.14), (0.97, 0.14), (0.5, 0.95))]]
    mesh.add(pts, [(0, 1, 2)], "roadsigns", WHITE, uv)
    mesh.add([(p[0], y + 0.015, p[2]) for p in pts][::-1], [(0, 1, 2)], "metal", (0.3, 0.3, 0.3))


def plate(mesh, x, y, z, w, h, sheet, index):
    mesh.box((x - w / 2, y, z - h / 2), (x + w / 2, y + 0.03, z + h / 2), "metal", (0.3, 0.3, 0.3), bottom=True)
    mesh.quad(
        (x - w / 2, y - 0.004, z - h / 2),
        (x + w / 2, y - 0.004, z - h / 2),
        (x + w / 2, y - 0.004, z + h / 2),
        (x - w / 2, y - 0.004, z + h / 2),
        sheet,
        WHITE,
        atlases.cell(sheet, index),
    )


def road_sign(rng):
    """One or two signs on a post."""
    h = rng.uniform(2.2, 3.0)
    parts = post(rng, h + 0.35, 0.04)
    m, y = parts[SIGN], -0.06
    kind = pick(rng, {"round": 0.40, "triangle": 0.24, "plate": 0.36})
    if kind == "round":
        disc(m, 0, y, h, rng.uniform(0.3, 0.42), rng.randrange(8))
    elif kind == "triangle":
        triangle(m, 0, y, h, rng.uniform(0.38, 0.5), rng.randrange(8, 13))
    else:
        plate(m, 0, y, h, rng.uniform(0.45, 0.8), rng.uniform(0.45, 0.9), "roadsigns", rng.randrange(13, 22))
    if kind in ("round", "triangle") and rng.random() < 0.4:
        plate(m, 0, y, h - 0.62, 0.5, 0.3, "roadsigns", rng.randrange(13, 22))
    return parts


def direction_sign(rng):
    """A wide sign on two posts."""
    parts = defaultdict(Mesh)
    w, t, h = rng.uniform(1.1, 2.2), rng.uniform(0.7, 1.4), rng.uniform(2.2, 2.8)
    plate(parts[SIGN], 0, -0.06, h, w, t, "roadsigns", rng.randrange(13, 22))
    for x in (-w * 0.38, w * 0.38):
        parts[POLE].cylinder((x, 0, -0.2), (x, 0, h + t / 2), 0.04, "paint", (0.3, 0.3, 0.3), 7)
    return parts


def traffic_light(rng, state=None):
    """Post and head; the head is SignSymbol."""
    h = rng.uniform(3.0, 3.5)
    parts = post(rng, h, 0.055, rng.choice([(0.04, 0.04, 0.04), (0.3, 0.3, 0.31)]))
    state = rng.randrange(3) if state is None else state
    for turn in [1, -1] if rng.random() < 0.4 else [1]:
        head = Mesh()
        head.box((-0.15, -0.28, h - 1.0), (0.15, -0.08, h - 0.05), "paint", (0.015, 0.015, 0.015), bottom=True)
        if rng.random() < 0.6:
            head.box((-0.27, -0.1, h - 1.12), (0.27, -0.08, h + 0.07), "paint", (0.02, 0.02, 0.02), bottom=True)
        for k, col in enumerate([(0.9, 0.02, 0.01), (0.9, 0.35, 0.0), (0.02, 0.8, 0.3)]):
            z = h - 0.21 - 0.31 * k
            on = k == state
            pts = [(0.1 * math.cos(t * math.pi / 6), -0.285, z + 0.1 * math.sin(t * math.pi / 6)) for t in range(12)]
            head.add(pts, [tuple(range(12))], "glow" if on else "gloss", col if on else tuple(c * 0.05 for c in col))
            head.box((-0.11, -0.42, z + 0.09), (0.11, -0.28, z + 0.12), "paint", (0.015, 0.015, 0.015), bottom=True)
        parts[SIGN].join(head, np.diag([turn, turn, 1.0, 1.0]))
    if rng.random() < 0.5:
        parts[SIGN].box((-0.12, -0.14, 1.0), (0.12, 0.06, 1.35), "paint", (0.5, 0.4, 0.05), bottom=True)
    return parts


def beacon(rng):
    """A Belisha beacon: black and white pole with an amber globe."""
    parts = defaultdict(Mesh)
    for k in range(7):
        parts[POLE].cylinder(
            (0, 0, k * 0.38), (0, 0, (k + 1) * 0.38), 0.05, "paint", (0.6, 0.6, 0.6) if k % 2 else (0.02, 0.02, 0.02), 8
        )
    parts[SIGN].ball((0, 0, 2.85), 0.2, "lamp", (0.8, 0.35, 0.02), 7)
    return parts


def a_board(rng):
    """A shop's board on the pavement: SignSymbol."""
    parts = defaultdict(Mesh)
    box = atlases.cell("posters", rng.randrange(12))
    for s in (-1, 1):
        q = [(-0.3, s * 0.22, 0), (0.3, s * 0.22, 0), (0.27, s * 0.03, 1.0), (-0.27, s * 0.03, 1.0)]
        parts[SIGN].quad(*(q if s < 0 else [q[1], q[0], q[3], q[2]]), "posters", WHITE, box)
    return parts


def board_hoarding(rng):
    """A large advertising board on posts."""
    parts = defaultdict(Mesh)
    w, h, z = rng.uniform(2.5, 5), rng.uniform(1.8, 2.8), rng.uniform(0.8, 2)
    plate(parts[SIGN], 0, 0, z + h / 2, w, h, "posters", rng.randrange(12))
    for x in (-w / 2 + 0.2, w / 2 - 0.2):
        parts[POLE].cylinder((x, 0.1, -0.3), (x, 0.1, z + h), 0.07, "paint", (0.2, 0.2, 0.2), 7)
    return parts
