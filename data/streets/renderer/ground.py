"""Road, kerbs, pavements, verges and the paint on the road."""

import math

import numpy as np

from .classes import PAVEMENT, ROAD, TREE
from .layout import BACK
from .rng import jitter, stream

KERB = 0.11
REACH = 45.0  # how far side streets are built


def strip(mesh, street, s0, s1, d0, d1, dz, mat, col, step=3.0):
    """A band of ground between two distances from the centre line (which may be functions of s)."""
    n = max(2, int((s1 - s0) / step) + 1)
    s = np.linspace(s0, s1, n)
    a = [street.at(t, d0(t) if callable(d0) else d0, dz) for t in s]
    b = [street.at(t, d1(t) if callable(d1) else d1, dz) for t in s]
    _ribbon(mesh, a, b, mat, col)


def _ribbon(mesh, a, b, mat, col):
    n = len(a)
    verts = np.concatenate([a, b])
    i = np.arange(n - 1)
    faces = np.stack([i, n + i, n + i + 1, i + 1], 1)
    mesh.add(verts, faces, mat, col, uv=verts[faces][..., :2])


def build(street, parts):
    """All level surfaces of a street, added to ``parts[class]``."""
    mat, col = street.road
    road = parts[ROAD]
    strip(road, street, BACK, street.length + 6, -street.half - 7, street.half + 7, 0, mat, col)
    for j in street.junctions:
        for side in j.sides:
            edge = (street.half, street.half + REACH + 30)
            strip(
                road,
                street,
                j.s - j.half - 7,
                j.s + j.half + 7,
                side * edge[side < 0],
                side * edge[side > 0],
                -0.004,
                mat,
                jitter(stream(street.seed, "side", j.s), col, 0.1),
                6,
            )
    if street.closed:
        strip(road, street, street.length - 1, street.length + 8, -70, 70, -0.006, mat, col)
    for side in (-1, 1):
        for a, b in street.blocks(side):
            _pavement(street, side, a, b, parts)
        for a, b, kind in street.zones[side]:
            _behind(street, side, a, b, kind, parts)
    _far_ground(street, parts)


def _kerb_line(street, side, a, b, width):
    """Points (s, d) of the kerb of one block and the matching points at the back of its pavement."""
    h, r = street.half, min(4.0, width + 1.2)
    front = h + width
    out, back = [], []
    if a > BACK + 1:  # down the side street, round the corner
        out += [(a, h + REACH), (a, h + 12)]
        back += [(a + width, h + REACH), (a + width, h + 12)]
        out += [(a + r - r * math.cos(t), h + r - r * math.sin(t)) for t in np.linspace(0, math.pi / 2, 7)]
        back += [(a + width, front)] * 7
    else:
        out, back = [(a, h)], [(a, front)]
    inner = np.arange(a + r + 2, b - r - 2, 3.0)
    out += [(s, h) for s in inner]
    back += [(max(a + width, min(b - width, s)), front) for s in inner]
    if b < street.length - 1 or street.closed:
        out += [(b - r + r * math.sin(t), h + r - r * math.cos(t)) for t in np.linspace(0, math.pi / 2, 7)]
        back += [(b - width, front)] * 7
        out += [(b, h + 12), (b, h + REACH)]
        back += [(b - width, h + 12), (b - width, h + REACH)]
    else:
        out += [(b, h)]
        back += [(b, front)]
    return out, back


def _pavement(street, side, a, b, parts):
    width = street.pave[side]
    line, back = _kerb_line(street, side, a, b, width)
    top = np.array([street.at(s, side * d, KERB) for s, d in line])
    foot = np.array([street.at(s, side * d, -0.05) for s, d in line])
    rear = np.array([street.at(s, side * d, KERB + 0.02) for s, d in back])
    stone = top + (rear - top) * (0.14 / np.maximum(np.linalg.norm(rear - top, axis=1, keepdims=True), 0.2))
    order = (lambda p, q: (p, q)) if side > 0 else (lambda p, q: (q, p))
    mesh = parts[PAVEMENT]
    _ribbon(mesh, *order(foot, top), *street.kerb)
    _ribbon(mesh, *order(top, stone), *street.kerb)
    _ribbon(mesh, *order(stone, rear), *street.paving)


def _behind(street, side, a, b, kind, parts):
    """The land behind the pavement: lawn, forecourt or car park."""
    rng = stream(street.seed, "land", side, a)
    near, far = street.front(side) - 0.05, street.front(side) + 40
    a, b = a - 0.1, b + 0.1
    if kind == "carpark":
        cls, mat, col, dz = ROAD, *street.road, 0.05
    elif kind in ("park", "verge", "gardens", "wall") and rng.random() < 0.85:
        cls, mat, col, dz = TREE, "grass", jitter(rng, (0.5, 0.55, 0.5), 0.25), KERB + 0.03
    else:
        cls, mat, col, dz = PAVEMENT, *street.paving, KERB + 0.015
    pair = (near, far) if side > 0 else (-far, -near)
    strip(parts[cls], street, a, b, *pair, dz, mat, col)
    if kind == "verge" and rng.random() < 0.6:  # a bank of grass
        rise = rng.uniform(0.5, 3)
        p = [street.at(s, side * (near + 1.5), dz) for s in np.linspace(a, b, 12)]
        q = [street.at(s, side * (near + 1.5 + rise * 3), rise) for s in np.linspace(a, b, 12)]
        r = [street.at(s, side * far, rise) for s in np.linspace(a, b, 12)]
        for u, v in ((p, q), (q, r)):
            _ribbon(
                parts[TREE],
                *((u, v) if side > 0 else (v, u)),
                mat if cls == TREE else "grass",
                col if cls == TREE else (0.5, 0.55, 0.5),
            )


def _far_ground(street, parts):
    for s in (BACK - 300, street.length + (9 if street.closed else 4)):
        n = [street.at(street.length if s > 0 else BACK, d, -0.02) for d in (-400, 400)]
        t = np.array([0, 400.0 if s > 0 else -300.0, 0])
        quad = [n[0], n[1], n[1] + t, n[0] + t]
        parts[TREE].quad(*(quad if s > 0 else quad[::-1]), "grass", (0.4, 0.45, 0.38))
