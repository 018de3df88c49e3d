"""Helpers to put fronts and trees beside a street."""

import math

import numpy as np

from . import blocks, buildings, vegetation
from .classes import TREE
from .ground import KERB
from .mesh import pose
from .rng import stream


def front_matrix(a, b, outward):
    """Placement of a front from ground point to ground point, facing ``outward``; also its length."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    way = b - a
    if way[1] * outward[0] - way[0] * outward[1] < 0:
        a, b, way = b, a, -way
    m = pose(*a[:2], min(a[2], b[2]), math.atan2(way[1], way[0]))
    return m, math.hypot(way[0], way[1])


def along(street, side, d, s0, s1):
    """Placement and length of a run beside the street, facing it."""
    a, b = street.at(s0, side * d, KERB), street.at(s1, side * d, KERB)
    mid = street.at((s0 + s1) / 2)
    return front_matrix(a, b, mid - (a + b) / 2)


def plots(street, side, key, a, lo, hi, widths):
    """Cut a zone into plots that do not depend on what is in view."""
    s, k = a, 0
    while s < hi:
        rng = stream(street.seed, "plot", side, key, k)
        e = s + rng.uniform(*widths)
        if e > lo and min(e, hi) - max(s, lo) > 2.5:
            yield rng, max(s, lo), min(e, hi)
        s, k = e, k + 1


def building(rng, kind, w, d):
    if kind == "church":
        return blocks.church(rng, w, d)
    if kind == "offices":
        return blocks.office(rng, w, d, rng.choice(["door", "door", "shop"]))
    if kind == "shops":
        return blocks.office(rng, w, d, "shop") if rng.random() < 0.22 else buildings.house(rng, w, d, ground="shop")
    return buildings.house(rng, w, d, floors=2 if kind == "gardens" else None)


def tree(stage, street, rng, s, d, scale=1.0, species=None, leafy=None):
    """One tree; a town has a season, so most of its trees agree about leaves."""
    town = stream(street.seed, "season")
    bare = town.choice([0.1, 0.5, 0.95])
    if species is None and rng.random() < 0.12:
        k = rng.randrange(6)
        return stage.put(TREE, vegetation.conifer(k), scattered(street, s, d, rng, scale), f"conifer{k}")
    species = species or rng.choice(list(vegetation.SPECIES))
    leafy = rng.random() > bare if leafy is None else leafy
    k = rng.randrange(2)
    stage.put(
        TREE,
        vegetation.tree(species, k, leafy),
        scattered(street, s, d, rng, scale * rng.uniform(0.8, 1.15)),
        f"{species}{k}{leafy}",
    )


def scattered(street, s, d, rng, scale=1.0, dz=KERB):
    return pose(*street.at(s, d, dz), rng.uniform(0, 6.28), scale=scale)
