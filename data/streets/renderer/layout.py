"""The plan of a street: its line through the world, widths, junctions, and what lies along each side.

Everything is placed in street coordinates: ``s`` metres along the centre line (the camera starts near 0 and looks
to larger s) and ``d`` metres to the right of it. ``Street.at(s, d)`` gives the place in the world.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from .rng import jitter, pick, stream

STEP = 0.5
BACK = -40.0  # where the street begins, behind the camera

TOWNS = {"high": 0.38, "terraces": 0.20, "suburb": 0.20, "arterial": 0.12, "open": 0.10}
ZONES = {  # what a side of the street may be made of, by character of the town
    "high": {"shops": 0.62, "terrace": 0.12, "offices": 0.16, "church": 0.05, "park": 0.12},
    "terraces": {"terrace": 0.55, "gardens": 0.25, "shops": 0.10, "wall": 0.08, "park": 0.10},
    "suburb": {"gardens": 0.60, "park": 0.12, "wall": 0.12, "verge": 0.16},
    "arterial": {"verge": 0.35, "offices": 0.25, "wall": 0.15, "park": 0.15, "gardens": 0.10},
    "open": {"carpark": 0.45, "verge": 0.15, "offices": 0.20, "park": 0.20},
}


@dataclass
class Junction:
    s: float
    sides: tuple
    half: float
    lights: bool = False


@dataclass
class Street:
    seed: object
    town: str
    half: float  # half the width of the road
    pave: dict  # width of the pavement, by side (-1 left, +1 right)
    length: float
    junctions: list
    zones: dict  # side -> [(s0, s1, kind)]
    road: tuple  # material and colour
    paving: tuple
    kerb: tuple
    wet: bool
    closed: bool  # ends at a T-junction
    line: tuple = field(repr=False, default=())

    def at(self, s, d=0.0, dz=0.0):
        x, y, z, h = self._centre(s)
        return np.array([x + d * math.cos(h), y - d * math.sin(h), z + dz])

    def heading(self, s):
        """Yaw (counter-clockwise) of the direction of travel."""
        return -self._centre(s)[3]

    def _centre(self, s):
        i = (s - BACK) / STEP
        k = min(max(int(i), 0), len(self.line) - 2)
        return self.line[k] + (i - k) * (self.line[k + 1] - self.line[k])

    def front(self, side):
        """Distance from the centre line to the back of the pavement."""
        return self.half + self.pave[side]

    def in_junction(self, s, side, margin=0.0):
        return any(side in j.sides and abs(s - j.s) < j.half + margin for j in self.junctions)

    def blocks(self, side):
        """Stretches (s0, s1) between the junctions of one side."""
        cuts = sorted(j for j in ((j.s, j.half) for j in self.junctions if side in j.sides))
        edges = [BACK] + [e for s, h in cuts for e in (s - h, s + h)] + [self.length]
        return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=False) if b - a > 1]


def plan(seed, drive=False):
    """Draw a street from its seed."""
    rng = stream(seed, "plan")
    town = "high" if drive else pick(rng, TOWNS)
    half = rng.uniform(
        *{"high": (3.3, 5.0), "terraces": (3.0, 4.2), "suburb": (3.0, 4.0), "arterial": (3.8, 6.5), "open": (4.5, 8.5)}[
            town
        ]
    )
    pave = {side: rng.uniform(*{"high": (1.8, 4.5), "open": (1.2, 3.5)}.get(town, (1.3, 2.8))) for side in (-1, 1)}
    length = 250.0 if drive else rng.uniform(130, 240)
    closed = not drive and rng.random() < 0.16
    if closed:
        length = rng.uniform(35, 85)
    junctions = _junctions(rng, length, drive)
    wet = not drive and rng.random() < 0.16
    road, paving, kerb = _surfaces(rng, wet)
    line = _line(rng, length + 80, junctions, straight=drive or closed or rng.random() < 0.4)
    street = Street(seed, town, half, pave, length, junctions, {}, road, paving, kerb, wet, closed, line)
    street.zones = {side: _zones(stream(seed, "zones", side), street, side) for side in (-1, 1)}
    return street


def _junctions(rng, length, drive):
    out, s = [], rng.uniform(12, 60)
    while s < length - 15:
        sides = rng.choice([(-1,), (1,), (-1,), (1,), (-1, 1)])
        out.append(Junction(s, sides, rng.uniform(2.8, 4.5), rng.random() < (0.5 if len(sides) == 2 else 0.25)))
        s += rng.uniform(35, 90)
    return out if drive or rng.random() < 0.8 else []


def _line(rng, length, junctions, straight):
    """Integrate curvature and slope into points (x, y, z, heading clockwise from y)."""
    n = int((length - BACK) / STEP) + 2
    s = BACK + STEP * np.arange(n)
    curve = np.zeros(n)
    if not straight:
        start, bend = rng.uniform(0, 45), rng.choice([-1, 1]) / rng.uniform(70, 260)
        curve += bend / (1 + np.exp(-(s - start) / 4)) * (s < start + abs(1.1 / bend))
        if rng.random() < 0.4:
            curve += np.where(s > start + 60, -1.6 * bend, 0)
    heading = np.cumsum(curve) * STEP
    heading -= np.interp(0, s, heading)
    slope = rng.choice([0, 0, rng.uniform(-0.035, 0.035)]) + rng.choice([0, rng.uniform(-0.02, 0.02)]) * np.sin(
        s / rng.uniform(25, 60)
    )
    x, y, z = (np.cumsum(f) * STEP for f in (np.sin(heading), np.cos(heading), slope))
    i = int(-BACK / STEP)
    return np.stack([x - x[i], y - y[i], z - z[i], heading], 1)


def _surfaces(rng, wet):
    """Road, pavement and kerb share their stuff often enough that texture does not tell them apart."""
    tar = rng.uniform(0.16, 0.42)
    road_mat = rng.choices(["asphalt", "concrete", "setts"], [0.88, 0.08, 0.04])[0]
    road = (tar * rng.uniform(0.97, 1.06), tar, tar * rng.uniform(0.96, 1.06))
    pave_mat = rng.choices(["asphalt", "paving", "concrete", "blocks", "setts"], [0.36, 0.36, 0.12, 0.12, 0.04])[0]
    pave = (
        jitter(rng, road, 0.12) if rng.random() < 0.5 else tuple(c * rng.uniform(0.9, 1.1) for c in (0.42, 0.4, 0.37))
    )
    kerb = tuple([rng.uniform(0.25, 0.5)] * 3)
    end = "_wet" if wet else ""
    return (road_mat + end, road), (pave_mat + end, pave), ("concrete" + end, kerb)


def _zones(rng, street, side):
    """Split each block of a side into zones of some kind."""
    out = []
    for a, b in street.blocks(side):
        s = a
        while s < b - 1:
            kind = pick(rng, ZONES[street.town])
            span = {"carpark": 45, "park": 50, "verge": 45, "wall": 30, "church": 28}.get(kind, rng.uniform(25, 70))
            end = min(b, s + span)
            if b - end < 10:
                end = b
            out.append((s, end, kind))
            s = end
    return out
