"""What stands at the kerb: lamps, lights, signs, bollards, rails, bins, street trees, parked bicycles, wires."""

import math

import numpy as np

from . import bikes, fences, furniture, posts, signs
from .classes import IGNORE
from .ground import KERB
from .layout import BACK
from .mesh import pose
from .plots import along, tree
from .rng import pick, stream


def draw(stage, street, near, far, eye):
    for side in (-1, 1):
        rng = stream(street.seed, "kerb", side)
        _lamps(stage, street, rng, side, near, far)
        _pieces(stage, street, stream(street.seed, "pieces", side), side, near, far, eye)
        _trees(stage, street, stream(street.seed, "streettrees", side), side, near, far, eye)
        _barriers(stage, street, stream(street.seed, "barriers", side), side, near, far)
    for j in street.junctions:
        if near < j.s < far:
            _corner(stage, street, j)


def stand(street, s, d, side, turn=0.0, mirror=False):
    """Placement of a piece at the kerb: its -x towards the road, facing the traffic on its side."""
    yaw = street.heading(s) + (math.pi if side > 0 else 0) + turn
    m = pose(*street.at(s, d, KERB), yaw)
    if side < 0 and mirror:  # -x stays the road while -y still faces oncoming cars; lettering would turn round
        m[:3, 0] *= -1
    return m


def crowded(eye, s, d):
    """Too close before the lens: one bin must not hide the street (people in the way would step aside)."""
    return eye is not None and -2 < s - eye.s < 6 and abs(d - eye.d) < 2.2


def _put(stage, street, parts, s, d, side, turn=0.0, mirror=False):
    stage.put_all(parts, stand(street, s, d, side, turn, mirror))


def _lamps(stage, street, rng, side, near, far):
    kind = pick(rng, {"arm": 0.5, "top": 0.25, "lantern": 0.25})
    gap, s, seed = rng.uniform(18, 34), BACK + rng.uniform(0, 30), rng.getrandbits(40)
    both = rng.random() < 0.6 or side > 0
    while s < min(far, street.length) and both:
        if s > near and not street.in_junction(s, side, 2):
            _put(
                stage,
                street,
                furniture.lamp_post(stream(seed), kind),
                s,
                side * (street.half + 0.45),
                side,
                mirror=True,
            )
        s += gap


PIECES = {
    "road_sign": 0.27,
    "direction_sign": 0.03,
    "bollard": 0.14,
    "small_thing": 0.20,
    "a_board": 0.07,
    "telegraph": 0.05,
    "shelter": 0.05,
    "board_hoarding": 0.02,
    "planter": 0.04,
    "parked_bike": 0.07,
    "traffic_light": 0.02,
    "beacon": 0.02,
    "plain_post": 0.06,
}


def _pieces(stage, street, rng, side, near, far, eye):
    """Scattered things, each from its own stream; clusters of bollards."""
    mean = {"high": 4.5, "terraces": 7, "suburb": 9, "arterial": 8, "open": 7}[street.town] * rng.uniform(0.7, 1.5)
    s, k = BACK, 0
    while s < min(far, street.length):
        one = stream(street.seed, "piece", side, k)
        s += one.expovariate(1 / mean)
        k += 1
        kind = pick(one, PIECES)
        if (
            s < near
            or street.in_junction(s, side, 3.5)
            or s > min(far, street.length)
            or crowded(eye, s, side * street.half)
        ):
            continue
        edge, rear = side * (street.half + 0.4), side * (street.front(side) - 0.45)
        if kind == "bollard":
            for i in range(one.randrange(1, 7)):
                if not street.in_junction(s + 1.6 * i, side, 3.5):
                    _put(stage, street, furniture.bollard(stream(street.seed, "bollard")), s + 1.6 * i, edge, side)
        elif kind == "parked_bike":
            for i in range(one.randrange(1, 5)):
                m = pose(
                    *street.at(s + 0.7 * i, rear, KERB), street.heading(s) + math.pi / 2 + one.gauss(0, 0.08), 0, 0.12
                )
                stage.put(IGNORE, bikes.bicycle(one.getrandbits(40)), m)
        elif kind == "plain_post":
            _put(stage, street, posts.post(one, one.uniform(1.5, 4), one.uniform(0.03, 0.06)), s, edge, side)
        else:
            at = rear if kind in ("a_board", "small_thing", "planter") and one.random() < 0.6 else edge
            if kind in ("board_hoarding", "direction_sign"):
                at = side * (street.front(side) + (0.4 if kind == "board_hoarding" else -1.0))
            face = one.choice([0, 0, 0, math.pi]) if kind == "road_sign" else 0
            _put(stage, street, piece(kind, one), s, at, side, face + one.gauss(0, 0.08), kind == "shelter")


def piece(kind, rng):
    """Make a piece by name, whichever file it is drawn in."""
    return getattr(signs if hasattr(signs, kind) else furniture, kind)(rng)


def _trees(stage, street, rng, side, near, far, eye):
    """A row of street trees of one species, or none."""
    if (
        rng.random() > {"high": 0.32, "terraces": 0.5, "suburb": 0.65, "arterial": 0.65, "open": 0.6}[street.town]
        or street.pave[side] < 1.7
    ):
        return
    species, leafy = rng.choice(["lime", "plane", "birch", "cherry", "young", "young"]), None
    gap, s = rng.uniform(8, 18), BACK + rng.uniform(0, 12)
    while s < min(far, street.length):
        if (
            s > near
            and not street.in_junction(s, side, 3)
            and rng.random() < 0.85
            and not crowded(eye, s, side * street.half)
        ):
            tree(
                stage,
                street,
                stream(street.seed, "kerbtree", side, round(s, 1)),
                s,
                side * (street.half + 0.7),
                rng.uniform(0.7, 0.95),
                species,
                leafy,
            )
        s += gap


def _barriers(stage, street, rng, side, near, far):
    """Stretches of guard rail at the kerb, mostly by junctions."""
    for a, b in street.blocks(side):
        if rng.random() < {"high": 0.35, "arterial": 0.5, "open": 0.5}.get(street.town, 0.15):
            lo, hi = max(a + 4, near), min(b - 4, far, a + 4 + rng.uniform(8, 40))
            seed = rng.getrandbits(40)
            for s in np.arange(lo, hi - 2, 6.0):
                m, w = along(street, side, street.half + 0.3, s, s + 6)
                stage.put_all(fences.run(stream(seed), w, "guard" if rng.random() < 0.8 else "railing"), m)


def _corner(stage, street, j):
    """Signs, lights and posts at a junction."""
    rng = stream(street.seed, "corner", round(j.s, 1))
    for side in (-1, 1):
        for end in (-1, 1):
            s, d = j.s + end * (j.half + 2.2), side * (street.half + 0.5)
            if j.lights:
                toward = side < 0 if end < 0 else side > 0
                _put(stage, street, signs.traffic_light(rng, rng.randrange(3)), s, d, -1 if toward else 1)
            elif side in j.sides and rng.random() < 0.5:
                _put(stage, street, signs.road_sign(rng), s, d, rng.choice([-1, 1]))
