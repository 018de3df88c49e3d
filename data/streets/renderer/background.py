"""Side streets, and what closes the view: a row across the end, taller things behind the fronts, far trees."""

import math

import numpy as np

from . import blocks, buildings, vehicles
from .classes import CAR, PAVEMENT
from .ground import KERB, REACH, strip
from .mesh import Mesh, pose
from .plots import along, building, front_matrix, tree
from .rng import stream


def side_streets(stage, street, near, far):
    """Two buildings on each side of every side street, and something at its end."""
    for j in street.junctions:
        if not near - 10 < j.s < far:
            continue
        for side in j.sides:
            rng = stream(street.seed, "sidestreet", round(j.s, 1), side)
            kind = rng.choice(["terrace", "shops", "offices"])
            for face in (-1, 1):
                s, d = j.s + face * (j.half + street.pave[side]), street.front(side) + 11.5
                while d < street.front(side) + REACH - 6:
                    w = rng.uniform(6, 14)
                    a, b = street.at(s, side * d, KERB), street.at(s, side * (d + w), KERB)
                    m, width = front_matrix(a, b, street.at(j.s, side * (d + w / 2)) - (a + b) / 2)
                    stage.put_all(building(rng, kind, width, 9), m)
                    d += w + rng.choice([0, 0, 3])
            for _ in range(rng.randrange(0, 3)):
                mesh, _l = vehicles.vehicle(rng.getrandbits(40))
                d = side * (street.front(side) + rng.uniform(4, 30))
                stage.put(
                    CAR,
                    mesh,
                    pose(
                        *street.at(j.s + rng.choice([-1, 1]) * (j.half - 1), d),
                        street.heading(j.s) + rng.choice([-1, 1]) * math.pi / 2,
                    ),
                )
            a, b = (street.at(j.s + e, side * (street.front(side) + REACH + 8)) for e in (-14, 14))
            m, w = front_matrix(a, b, street.at(j.s) - (a + b) / 2)
            stage.put_all(building(rng, "terrace", w, 9), m)


def background(stage, street, near, far):
    """What closes the view: a row across the end, taller things behind the fronts, far trees."""
    rng = stream(street.seed, "background")
    end = min(street.length, far)
    d = -60.0 if street.closed else -75.0
    back = end + (10.5 if street.closed else rng.uniform(12, 30))
    if street.closed:
        walk = Mesh()
        strip(walk, street, street.length + 8, street.length + 10.6, -70, 70, KERB, *street.paving)
        stage.put(PAVEMENT, walk)
    while d < 75:
        w = rng.uniform(8, 18)
        a, b = street.at(back, d, 0.05), street.at(back, d + w, 0.05)
        if street.closed or rng.random() < 0.6:
            m, width = front_matrix(a, b, street.at(back - 30, 0) - street.at(back, 0))
            stage.put_all(building(rng, rng.choice(["terrace", "shops", "offices"]), width, 9), m)
        else:
            for _ in range(3):
                tree(stage, street, rng, back + rng.uniform(-4, 4), d + rng.uniform(0, w), rng.uniform(0.9, 1.4))
        d += w + rng.choice([0, 0, 2])
    for side in (-1, 1):
        for s in np.arange(max(near, 0), end, 24.0):
            if rng.random() < 0.5:
                m, w = along(street, side, street.front(side) + rng.uniform(17, 34), s, s + rng.uniform(10, 22))
                stage.put_all(
                    blocks.office(rng, w, 12) if rng.random() < 0.6 else buildings.house(rng, w, 10, floors=4), m
                )
            elif rng.random() < 0.6:
                tree(stage, street, rng, s, side * (street.front(side) + rng.uniform(13, 22)), rng.uniform(1.1, 1.6))
