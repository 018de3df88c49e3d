"""What stands along a street: rows of buildings, gardens, walls, parks, car parks, and the far background."""

import math

import numpy as np

from . import background, blocks, fences, vegetation, vehicles
from .classes import CAR, TREE
from .ground import KERB
from .layout import BACK
from .mesh import pose
from .plots import along, building, plots, scattered, tree
from .rng import stream


def draw(stage, street, near, far):
    """Everything along both sides between two distances along the street."""
    for side in (-1, 1):
        width = street.pave[side]
        for a, b, kind in street.zones[side]:
            block = next((x, y) for x, y in street.blocks(side) if x <= a < y)
            lo = a + (width if a == block[0] and a > BACK + 1 else 0)
            hi = b - (width if b == block[1] and b < street.length - 1 else 0)
            lo, hi = max(lo, near), min(hi, far)
            if hi - lo > 3:
                rng = stream(street.seed, "zone", side, round(a, 2))
                ZONES[kind](stage, street, rng, side, a, lo, hi, kind)
    background.side_streets(stage, street, near, far)
    background.background(stage, street, near, far)


def _row(stage, street, rng, side, a, lo, hi, kind):
    """Buildings side by side, with or without gardens in front."""
    setback = {
        "shops": 0.0,
        "terrace": rng.choice([0.0, 1.6, 2.6]),
        "offices": rng.choice([0, 0, 3, 6]),
        "church": 4.0,
        "gardens": rng.uniform(4, 8),
    }[kind]
    widths = {"shops": (5, 12), "terrace": (4.8, 9), "offices": (11, 26), "church": (20, 28), "gardens": (7, 12)}[kind]
    same = rng.random() < 0.45 and kind in ("terrace", "gardens")
    gap = rng.uniform(1.5, 4) if kind == "gardens" else (0.0 if kind in ("shops", "terrace") else rng.choice([0, 2.5]))
    look, fence = rng.getrandbits(40), fences.draw(rng, kind) if kind in fences.WEIGHTS else None
    for plot, s0, s1 in plots(street, side, f"{kind}{a:.1f}", a, lo, hi, widths):
        d = street.front(side) + setback + (plot.uniform(0, 0.5) if kind == "shops" and plot.random() < 0.2 else 0)
        m, w = along(street, side, d, s0, max(s0 + 3, s1 - gap))
        draw = stream(look) if same else plot
        stage.put_all(building(draw, kind, w, plot.uniform(7.5, 11)), m)
        if setback >= 1.5 and fence:
            fm, fw = along(street, side, street.front(side) + 0.12, s0, s1)
            stage.put_all(fences.run(stream(look, "fence") if same else plot, fw - 1.1, fence), fm)
        if setback >= 2.5:
            _garden(stage, street, plot, side, street.front(side) + 0.8, d - 0.6, s0, s1)


def _garden(stage, street, rng, side, d0, d1, s0, s1):
    """Bushes, a small tree, now and then a car on the drive."""
    for _ in range(rng.randrange(0, 4)):
        k = rng.randrange(8)
        stage.put(
            TREE,
            vegetation.bush(k),
            scattered(street, rng.uniform(s0, s1), side * rng.uniform(d0, d1), rng, rng.uniform(0.4, 1.1)),
            f"bush{k}",
        )
    if rng.random() < 0.3:
        tree(stage, street, rng, rng.uniform(s0, s1), side * (d0 + d1) / 2, 0.6)
    if d1 - d0 > 4.2 and rng.random() < 0.35:
        mesh, _ = vehicles.vehicle(rng.getrandbits(40))
        stage.put(CAR, mesh, pose(*street.at(s1 - 1.5, side * (d0 + d1) / 2, KERB), street.heading(s1) + math.pi / 2))


def _park(stage, street, rng, side, a, lo, hi, kind):
    """A fence or hedge, trees behind it, bushes, perhaps a building far back."""
    front = street.front(side)
    if rng.random() < (0.75 if kind != "verge" else 0.3):
        fence = fences.draw(rng, kind)
        for s in np.arange(lo, hi, 8.0):
            m, w = along(street, side, front + (0.15 if kind != "verge" else 1.2), s, min(s + 8, hi))
            stage.put_all(fences.run(stream(street.seed, "fence", side, a), w, fence), m)
    n = int((hi - lo) * {"park": 0.30, "wall": 0.18, "verge": 0.20}[kind] * rng.uniform(0.6, 1.4))
    for _ in range(n):
        tree(stage, street, rng, rng.uniform(lo, hi), side * (front + rng.uniform(2, 22)), rng.uniform(0.8, 1.2))
    for _ in range(int((hi - lo) * 0.15)):
        k = rng.randrange(8)
        stage.put(
            TREE,
            vegetation.bush(k),
            scattered(street, rng.uniform(lo, hi), side * (front + rng.uniform(1.5, 8)), rng, rng.uniform(0.6, 1.8)),
            f"bush{k}",
        )
    if rng.random() < 0.75:
        m, w = along(street, side, front + rng.uniform(14, 28), lo, hi)
        stage.put_all(building(rng, rng.choice(["offices", "terrace"]), min(w, 24), 10), m)


def _carpark(stage, street, rng, side, a, lo, hi, kind):
    """Rows of parked cars before a shop or depot."""
    front = street.front(side)
    if rng.random() < 0.6:
        m, w = along(street, side, front + 0.2, lo, hi)
        stage.put_all(fences.run(rng, w, fences.draw(rng, kind)), m)
    cars = [vehicles.vehicle(rng.getrandbits(40))[0] for _ in range(9)]
    for row in range(3):
        for s in np.arange(lo + 2, hi - 2, 2.7):
            if rng.random() < 0.6:
                k = rng.randrange(9)
                m = pose(
                    *street.at(s, side * (front + 5 + row * 8), 0.06),
                    street.heading(s) + rng.choice([-1, 1]) * math.pi / 2 + rng.gauss(0, 0.03),
                )
                stage.put(CAR, cars[k], m, f"parkcar{side}{a:.0f}{k}")
    m, w = along(street, side, front + 29, lo, hi)
    stage.put_all(blocks.shed(rng, max(w, 12), 12), m)
    for _ in range(rng.randrange(1, 6)):
        tree(stage, street, rng, rng.uniform(lo, hi), side * (front + rng.choice([1.5, 9, 17])), 0.8)


ZONES = {
    **dict.fromkeys(("shops", "terrace", "offices", "church", "gardens"), _row),
    **dict.fromkeys(("park", "wall", "verge"), _park),
    "carpark": _carpark,
}
