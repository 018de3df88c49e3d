"""Paint on the road: lane lines, yellow lines, crossings, arrows, bays. All of it is Road."""

import itertools
import math

import numpy as np

from .classes import ROAD
from .ground import strip
from .layout import BACK
from .rng import stream

LIFT = 0.006
ARROW = [(-0.08, 0), (0.08, 0), (0.08, 2.2), (0.32, 2.2), (0, 3.6), (-0.32, 2.2), (-0.08, 2.2)]
STROKES = {  # block letters on a 2 x 3 grid, as lines
    "S": "00 20 21 01 02 22",
    "L": "02 00 20",
    "O": "00 20 22 02 00",
    "W": "02 00 11 20 22",
    "K": "00 02 01 22 01 20",
    "E": "20 00 02 22 02 01 21",
    "P": "00 02 22 21 01",
    "C": "22 02 00 20",
    "A": "00 02 22 20 21 01",
    "R": "00 02 22 21 01 20",
    "B": "00 02 22 20 00 01 21",
    "U": "02 00 20 22",
    "T": "10 12 02 22",
}


def build(street, parts):
    rng = stream(street.seed, "markings")
    mesh = parts[ROAD]
    worn = rng.uniform(0.3, 0.85)
    white, yellow = (worn, worn, worn * 0.97), (worn * 0.85, worn * 0.6, worn * 0.12)
    mouths = [(j.s - j.half, j.s + j.half) for j in street.junctions]
    _centre_line(street, mesh, rng, white)
    for side in (-1, 1):
        _edges(street, mesh, rng, side, white, yellow)
    for j in street.junctions:
        _junction(street, mesh, rng, j, white, yellow)
    _covers(street, mesh, rng)
    for _ in range(rng.choice([0, 1, 1, 2])):
        s = rng.uniform(6, 60)
        if not any(a - 6 < s < b + 6 for a, b in mouths):
            rng.choice([_zebra, _arrows, _letters, _letters])(street, mesh, rng, s, white)


def _covers(street, mesh, rng):
    """Manhole covers in the lanes and drains at the kerb."""
    for _ in range(int(street.length / 14)):
        s, d, r = rng.uniform(BACK, street.length), rng.uniform(-0.8, 0.8) * street.half, rng.uniform(0.25, 0.38)
        ring = [street.at(s + r * math.sin(a), d + r * math.cos(a), LIFT / 2) for a in np.arange(14) * math.pi / 7]
        mesh.add(ring, [tuple(range(14))], "worn_paint", (0.05, 0.05, 0.05))
    for s in np.arange(BACK + rng.uniform(0, 20), street.length, 22.0):
        for side in (-1, 1):
            if not street.in_junction(s, side, 5):
                bar(
                    mesh,
                    street,
                    s,
                    s + 0.5,
                    side * (street.half - 0.02),
                    side * (street.half - 0.42),
                    (0.03, 0.03, 0.03),
                )


def bar(mesh, street, s0, s1, d0, d1, col):
    strip(mesh, street, s0, s1, min(d0, d1), max(d0, d1), LIFT, "marking", col, step=4)


def _centre_line(street, mesh, rng, white):
    dash, gap = rng.choice([(2, 4), (4, 2), (1.2, 2), (3, 6)])
    if street.half < 3.2 and rng.random() < 0.5:
        return
    lanes = [0.0] if street.half < 5.2 else [0.0, -street.half / 2, street.half / 2]
    s = BACK
    while s < street.length:
        if not any(street.in_junction(s, side, 1) for side in (-1, 1)):
            for d in lanes:
                bar(mesh, street, s, s + dash, d - 0.06, d + 0.06, white)
        s += dash + gap


def _edges(street, mesh, rng, side, white, yellow):
    style = rng.choice(["double", "double", "single", "white", "cycle", "none"])
    for a, b in street.blocks(side):
        a, b = a + 4.5, b - 4.5
        if b - a < 4 or style == "none":
            continue
        edge = street.half - 0.25
        if style in ("double", "single"):
            for k in range(2 if style == "double" else 1):
                bar(mesh, street, a, b, side * (edge - 0.2 * k), side * (edge - 0.2 * k - 0.08), yellow)
        elif style == "white":
            bar(mesh, street, a, b, side * edge, side * (edge - 0.1), white)
        else:  # a cycle lane, sometimes with coloured tarmac
            if rng.random() < 0.3:
                strip(
                    mesh,
                    street,
                    a,
                    b,
                    *sorted((side * (street.half - 0.02), side * (street.half - 1.4))),
                    LIFT / 2,
                    street.road[0],
                    rng.choice([(0.35, 0.14, 0.1), (0.12, 0.25, 0.15)]),
                )
            s = a
            while s < b:
                bar(mesh, street, s, min(b, s + 2), side * (street.half - 1.4), side * (street.half - 1.5), white)
                s += 4


def _junction(street, mesh, rng, j, white, yellow):
    if len(j.sides) == 2 and rng.random() < 0.5:  # yellow box
        for k in np.arange(-2 * street.half, 2 * j.half, 1.3):
            for flip in (-1, 1):
                pts = [
                    (j.s - j.half + t, flip * (k + t - (j.half - street.half) if flip > 0 else -(k + t)))
                    for t in np.linspace(0, 2 * j.half, 8)
                ]
                for (s0, d0), (s1, d1) in itertools.pairwise(pts):
                    if abs(d0) < street.half and abs(d1) < street.half:
                        q = [
                            street.at(s0, d0 - 0.07, LIFT),
                            street.at(s0, d0 + 0.07, LIFT),
                            street.at(s1, d1 + 0.07, LIFT),
                            street.at(s1, d1 - 0.07, LIFT),
                        ]
                        mesh.quad(*q, "marking", yellow)
    for side in j.sides:  # give-way or stop line of the side street
        if not j.lights:
            for s in np.arange(j.s - j.half + 0.4, j.s + j.half - 0.8, 0.9):
                bar(mesh, street, s, s + 0.5, side * (street.half + 0.3), side * (street.half + 0.5), white)
    if j.lights:
        s = j.s - j.half - 2.5
        bar(mesh, street, s, s + 0.3, -street.half + 0.2, -0.1, white)
        for k in range(2):
            for s in np.arange(-street.half + 0.3, street.half - 0.3, 0.9):
                bar(
                    mesh,
                    street,
                    j.s - j.half - 2 + 2.4 * k - 2.4,
                    j.s - j.half - 1.9 + 2.4 * k - 2.4,
                    s,
                    s + 0.4,
                    white,
                )


def _zebra(street, mesh, rng, s, white):
    for d in np.arange(-street.half + 0.3, street.half - 0.4, 1.1):
        bar(mesh, street, s, s + 2.6, d, d + 0.55, white)


def _arrows(street, mesh, rng, s, white):
    flip = -1 if rng.random() < 0.3 else 1
    for k in range(2):
        d = -flip * street.half / 2
        pts = [street.at(s + 9 * k + flip * y, d + x * 1.3, LIFT) for x, y in ARROW]
        order = range(7) if flip > 0 else range(6, -1, -1)
        mesh.add(pts, [tuple(order)], "marking", white)


def _letters(street, mesh, rng, s, white):
    """SLOW, BUS STOP, KEEP CLEAR: tall letters read from the car."""
    lane = -street.half / 2
    for row, word in enumerate(rng.choice([["SLOW"], ["STOP", "BUS"], ["CLEAR", "KEEP"], ["BUS"]])):
        size = min(0.42, (street.half - 1) / len(word) / 1.5)
        for i, letter in enumerate(word):
            pts = [
                (lane + (i - len(word) / 2 + 0.1) * size * 1.5 + int(p[0]) * size / 2, s + row * 3.2 + int(p[1]) * 1.1)
                for p in STROKES[letter].split()
            ]
            for (x0, y0), (x1, y1) in itertools.pairwise(pts):
                _stroke(mesh, street, x0, y0, x1, y1, white)


def _stroke(mesh, street, x0, y0, x1, y1, col):
    n = math.hypot(x1 - x0, (y1 - y0) / 3) + 1e-6
    ox, oy = (y1 - y0) / 3 / n * 0.06, -(x1 - x0) / n * 0.18
    q = [(x0 - ox, y0 - oy), (x1 - ox, y1 - oy), (x1 + ox, y1 + oy), (x0 + ox, y0 + oy)]
    pts = [street.at(y, x, LIFT) for x, y in q]
    up = np.cross(pts[1] - pts[0], pts[3] - pts[0])[2]
    mesh.quad(*(pts if up > 0 else pts[::-1]), "marking", col)
