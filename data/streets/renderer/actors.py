"""What moves: cars on the road and parked at the kerb, people on the pavements, cyclists."""

import math

from . import bikes, people, vehicles
from .classes import BICYCLIST, CAR, PEDESTRIAN
from .ground import KERB
from .mesh import pose
from .rng import pick, stream


class Road:
    """Remembers which places are taken."""

    def __init__(self, eye):
        self.taken = [(eye.s, eye.d, 4.5, 1.6)]

    def free(self, s, d, half_length, half_width):
        ok = all(abs(s - a) > half_length + c or abs(d - b) > half_width + e for a, b, c, e in self.taken)
        if ok:
            self.taken.append((s, d, half_length, half_width))
        return ok


def draw(stage, street, eye, far, dusk=False):
    """A frozen moment: traffic, parked cars, walkers and riders, placed for this view."""
    road = Road(eye)
    _traffic(stage, street, eye, road, dusk)
    for side in (-1, 1):
        _parked(stage, street, eye, road, side, far)
    _cyclists(stage, street, eye, road)
    _walkers(stage, street, eye, road)


def put_vehicle(stage, street, seed, s, d, way, turn=0.0, **looks):
    """``way`` +1 drives away from the camera start, -1 comes towards it."""
    mesh, _length = vehicles.vehicle(seed, **looks)
    yaw = street.heading(s) + (0 if way > 0 else math.pi) + turn
    dz = 0.0 if abs(d) < street.half + 0.3 else KERB
    stage.put(CAR, mesh, pose(*street.at(s, d, dz), yaw))


def _traffic(stage, street, eye, road, dusk):
    rng = stream(street.seed, "traffic")
    busy = {"high": 1.0, "terraces": 0.5, "suburb": 0.5, "arterial": 1.5, "open": 1.0}[street.town]
    lanes = [(-street.half * 0.48, 1), (street.half * 0.48, -1)]
    if street.half > 5.2:
        lanes = [(-street.half * 0.74, 1), (-street.half * 0.26, 1), (street.half * 0.26, -1), (street.half * 0.74, -1)]
    for d, way in lanes:
        s = rng.uniform(6, 40)
        while s < street.length - 3:
            lamps = dusk or rng.random() < 0.25
            if s > 7 and road.free(s, d, 2.6, 0.95):
                put_vehicle(
                    stage,
                    street,
                    rng.getrandbits(40),
                    s,
                    d + rng.gauss(0, 0.12),
                    way,
                    rng.gauss(0, 0.015),
                    lights=lamps,
                    braking=rng.random() < (0.5 if dusk else 0.25),
                )
            s += rng.uniform(7, 12) if rng.random() < 0.25 * busy else rng.uniform(12, 70) / busy
    for j in street.junctions:  # somebody turning in or out
        if rng.random() < 0.22 and 8 < j.s - eye.s < 60:
            side = rng.choice(j.sides)
            d = side * (street.half + rng.uniform(-1.5, 4))
            if road.free(j.s, d, 2.4, 2.4):
                put_vehicle(stage, street, rng.getrandbits(40), j.s, d, 1, rng.choice([-1, 1]) * rng.uniform(0.8, 1.6))


def _parked(stage, street, eye, road, side, far):
    rng = stream(street.seed, "parked", side)
    chance = rng.choice([0, 0, 0.25, 0.5, 0.8])
    if street.half < 3.4:
        chance *= 0.5
    d = side * (street.half - (1.0 if street.half > 3.5 else 0.45))
    s = rng.uniform(-20, 6)
    while s < min(far, street.length - 4):
        one = stream(street.seed, "parkedcar", side, round(s, 2))
        if one.random() < chance and not street.in_junction(s, side, 6.5) and road.free(s, d, 2.45, 0.9):
            put_vehicle(
                stage,
                street,
                one.getrandbits(40),
                s,
                d + one.gauss(0, 0.06),
                -side if one.random() < 0.8 else side,
                one.gauss(0, 0.025),
            )
        s += one.uniform(5.2, 6.6)


def _near_bias(rng, lo, hi):
    """A distance, more often short than long."""
    return lo * (hi / lo) ** rng.random()


def _cyclists(stage, street, eye, road):
    rng = stream(street.seed, "cyclists")
    for _k in range(rng.choices([0, 1, 2, 3, 4], [0.17, 0.38, 0.26, 0.13, 0.06])[0]):
        kind = pick(rng, {"with": 0.42, "against": 0.28, "pushing": 0.16, "across": 0.07, "pavement": 0.07})
        side = -1 if kind == "with" or rng.random() < 0.4 else 1
        for _ in range(12):
            s = eye.s + _near_bias(rng, 8, 42)
            d = side * (street.half - rng.uniform(0.5, 1.3))
            if kind in ("pushing", "pavement"):
                d = side * (street.half + street.pave[side] * rng.uniform(0.3, 0.7))
            elif kind == "across":
                d = rng.uniform(-1, 1) * street.half
            if eye.sees(s, d, -0.05) and road.free(s, d, 0.95, 0.35):
                yaw = (
                    street.heading(s)
                    + (0 if side < 0 or (kind == "pushing" and rng.random() < 0.5) else math.pi)
                    + rng.gauss(0, 0.08)
                )
                if kind == "across":
                    yaw += rng.choice([-1, 1]) * rng.uniform(0.7, 1.7)
                make = bikes.pusher if kind == "pushing" else bikes.cyclist
                dz = KERB if abs(d) > street.half else 0.0
                stage.put(
                    BICYCLIST,
                    make(rng.getrandbits(40), rng.uniform(0, 6.28)),
                    pose(*street.at(s, d, dz), yaw, 0, rng.gauss(0, 0.04)),
                )
                break


def _walkers(stage, street, eye, road):
    rng = stream(street.seed, "walkers")
    groups = {
        "high": rng.randrange(3, 12),
        "terraces": rng.randrange(1, 6),
        "suburb": rng.randrange(1, 5),
        "arterial": rng.randrange(1, 5),
        "open": rng.randrange(1, 7),
    }[street.town]
    for k in range(groups):
        one = stream(street.seed, "group", k)
        side = one.choice([-1, 1])
        where = pick(one, {"pavement": 0.84, "road": 0.10, "far": 0.06})
        for _ in range(10):
            s = eye.s + _near_bias(one, 6, 55)
            d = side * (street.half + street.pave[side] * one.uniform(0.15, 0.85))
            if where == "road":
                s, d = eye.s + _near_bias(one, 12, 50), one.uniform(-0.9, 0.9) * street.half
            if eye.sees(s, d, -0.03):
                break
        group(stage, street, one, s, d, where == "road", road)


def group(stage, street, rng, s, d, crossing, road):
    """One to four people together, walking the same way or standing."""
    n = rng.choices([1, 2, 3, 4], [0.55, 0.3, 0.1, 0.05])[0]
    way = rng.choice([0, math.pi]) + (math.pi / 2 if crossing else 0)
    walking = rng.random() < 0.8
    for i in range(n):
        ds, dd = (rng.gauss(0, 0.3), 0.62 * i) if not crossing else (0.7 * i, rng.gauss(0, 0.3))
        ps, pd = s + ds, d + math.copysign(dd, -d if abs(d) > street.half + 1 else d)
        if not road.free(ps, pd, 0.25, 0.25):
            continue
        child = i > 0 and rng.random() < 0.3
        mesh = people.person(rng.getrandbits(40), rng.uniform(0, 6.28) if walking else None, child)
        yaw = street.heading(ps) + way + rng.gauss(0, 0.12 if walking else 0.9)
        dz = KERB if abs(pd) > street.half else 0.0
        stage.put(PEDESTRIAN, mesh, pose(*street.at(ps, pd, dz), yaw))
        if i == 0 and walking and not child and rng.random() < 0.07:
            stage.put(11, bikes.pram(rng.getrandbits(40)), pose(*street.at(ps + 0.75 * math.cos(way), pd, dz), yaw))
