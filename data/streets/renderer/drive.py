"""The drive: one street, the camera moving through it, and everybody with a speed."""

import math

from . import bikes, people
from .actors import Road, _parked, put_vehicle
from .classes import BICYCLIST, PEDESTRIAN
from .ground import KERB
from .mesh import pose
from .rng import stream

STRIDE = 2 * math.pi / 1.45  # phase of the walk, radians a metre
WALK, RIDE = 1.35, 4.2


def draw(stage, street, eye, far, t):
    """The moment ``t``; parked cars stay, the rest moves along its lane."""
    road = Road(type(eye)(-100, 0, 0, 0, 0, 0, 0))
    for side in (-1, 1):
        _parked(stage, street, eye, road, side, far)

    def seen(s):
        return eye.s - 8 < s < far

    rng = stream(street.seed, "drive cars")
    for k in range(26):
        own = k < 2  # ahead in our lane, or coming towards us
        s = (17.0 + 34 * k + 7.4 * t) if own else 30 + 22 * k + rng.uniform(-5, 5) - 8.5 * t
        looks, seed = {"lights": rng.random() < 0.3, "braking": own and 5 < t < 7}, rng.getrandbits(40)
        if seen(s):
            put_vehicle(stage, street, seed, s, (-1 if own else 1) * street.half * 0.45, 1 if own else -1, **looks)
    _riders(stage, street, seen, t)
    _walkers(stage, street, seen, t)


def _riders(stage, street, seen, t):
    rng = stream(street.seed, "drive riders")
    for k in range(9):
        way = 1 if k % 3 else -1
        s = rng.uniform(9, 20) + 17 * k + way * RIDE * t
        d, seed = -way * (street.half - 0.75), rng.getrandbits(40)
        if seen(s):
            mesh = bikes.cyclist(seed, rng.uniform(0, 6) - way * 0.9 * RIDE * t)
            stage.put(
                BICYCLIST,
                mesh,
                pose(*street.at(s, d), street.heading(s) + (0 if way > 0 else math.pi), 0, 0.03 * math.sin(4 * t + k)),
            )
        else:
            rng.uniform(0, 6)


def _walkers(stage, street, seen, t):
    for k in range(64):
        rng = stream(street.seed, "drive walker", k)
        side, way = rng.choice([-1, 1]), rng.choice([-1, 1])
        still = rng.random() < 0.18
        pace = 0.0 if still else WALK * rng.uniform(0.85, 1.2)
        s = rng.uniform(3, 170) + way * pace * t
        d = side * (street.half + street.pave[side] * rng.uniform(0.25, 0.85))
        phase = None if still else rng.uniform(0, 6.28) + STRIDE * pace * t
        if seen(s) and not street.in_junction(s, side, -2):
            mesh = people.person(rng.getrandbits(40), phase, rng.random() < 0.1)
            stage.put(PEDESTRIAN, mesh, pose(*street.at(s, d, KERB), street.heading(s) + (0 if way > 0 else math.pi)))
