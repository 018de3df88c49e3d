"""Trees of several species, bare or in leaf, conifers, bushes and hedges. Leaves are small opaque quads.

A few prototypes per species are grown once per process and placed many times as instances.
"""

import math
from functools import lru_cache

import numpy as np

from .mesh import Mesh
from .rng import array_stream, stream

SPECIES = {
    # height, share of bare trunk, spread, splits, how upright, leaf size, leaves per twig, leaf colour, bark colour
    "lime": (9, 0.28, 0.75, 3, 0.35, 0.105, 19, (0.16, 0.26, 0.05), (0.22, 0.19, 0.15)),
    "plane": (12, 0.30, 0.85, 3, 0.25, 0.12, 18, (0.17, 0.24, 0.06), (0.36, 0.33, 0.26)),
    "birch": (9, 0.25, 0.55, 3, 0.55, 0.08, 14, (0.19, 0.25, 0.07), (0.62, 0.60, 0.57)),
    "cherry": (6, 0.30, 0.90, 3, 0.25, 0.09, 16, (0.20, 0.18, 0.07), (0.22, 0.13, 0.10)),
    "copper": (8, 0.28, 0.80, 3, 0.30, 0.10, 17, (0.12, 0.05, 0.04), (0.20, 0.17, 0.15)),
    "young": (5, 0.42, 0.55, 3, 0.50, 0.09, 12, (0.18, 0.25, 0.06), (0.25, 0.20, 0.16)),
}


@lru_cache(maxsize=64)
def tree(species, variant, leafy):
    """A prototype tree as a Mesh."""
    height, trunk, spread, splits, upright, leaf, per_twig, green, bark = SPECIES[species]
    rng = stream("tree", species, variant)
    height *= rng.uniform(0.8, 1.25)
    depth = 4 if leafy else 6
    limbs = _grow(rng, height, trunk, spread, splits, upright, depth)
    mesh = Mesh()
    _bark(mesh, limbs, bark, depth)
    if leafy:
        tips = np.array([limb[1] for limb in limbs if limb[3] >= depth - 1])
        _leaves(mesh, array_stream("leaves", species, variant), tips, per_twig * 2, leaf, green, height * 0.065)
    return mesh


def _grow(rng, height, trunk, spread, splits, upright, depth):
    """Branch recursively; returns limbs (start, end, radius, level)."""
    limbs, todo = [], []
    base, top = np.zeros(3), np.array([rng.uniform(-0.2, 0.2), rng.uniform(-0.2, 0.2), height * trunk])
    radius = height * 0.014 + 0.02
    limbs.append((base, top, radius, 0))
    leader = np.array([rng.uniform(-0.15, 0.15), rng.uniform(-0.15, 0.15), 1])
    todo = [(top, leader, height * 0.30, radius * 0.8, 1)]
    for k in range(splits + 1):
        a = 2 * math.pi * (k + rng.random() * 0.6) / (splits + 1)
        todo.append(
            (
                top - (0, 0, height * 0.05 * rng.random()),
                np.array([math.cos(a) * spread, math.sin(a) * spread, 0.4 + upright]),
                height * 0.27,
                radius * 0.55,
                1,
            )
        )
    while todo:
        at, way, length, r, level = todo.pop()
        way = way / np.linalg.norm(way)
        length *= rng.uniform(0.75, 1.2)
        mid = at + way * length * 0.5 + np.array([rng.gauss(0, 0.05), rng.gauss(0, 0.05), rng.gauss(0, 0.04)]) * length
        end = at + way * length + np.array([rng.gauss(0, 0.08), rng.gauss(0, 0.08), rng.gauss(0.03, 0.05)]) * length
        limbs += [(at, mid, r, level), (mid, end, r * 0.8, level)]
        if level >= depth:
            continue
        n = splits + (1 if level > 1 else 0) - (1 if level > 4 else 0)
        for k in range(n):
            turn = np.array([rng.gauss(0, 1), rng.gauss(0, 1), rng.gauss(upright * 0.5, 0.6)])
            where = end if k < 2 else at + (end - at) * rng.uniform(0.35, 0.9)
            todo.append((where, way + turn * spread * 0.75, length * rng.uniform(0.55, 0.75), r * 0.58, level + 1))
    return limbs


def _bark(mesh, limbs, colour, depth):
    """Limbs as tapered prisms, thinner ones with fewer sides, all built at once."""
    for sides, want in ((7, lambda v: v <= 1), (4, lambda v: v == 2), (3, lambda v: v > 2)):
        part = [limb for limb in limbs if want(limb[3])]
        if not part:
            continue
        a, b = (np.array([limb[k] for limb in part]) for k in (0, 1))
        r = np.maximum(np.array([limb[2] for limb in part]), 0.009)[:, None, None]
        t = (b - a) / (np.linalg.norm(b - a, axis=1, keepdims=True) + 1e-9)
        u = np.cross(t, np.where(np.abs(t[:, 2:]) > 0.9, (1.0, 0, 0), (0, 0, 1.0)))
        u /= np.linalg.norm(u, axis=1, keepdims=True)
        w = np.cross(t, u)
        ang = np.arange(sides) * 2 * math.pi / sides
        ring = u[:, None] * np.cos(ang)[None, :, None] + w[:, None] * np.sin(ang)[None, :, None]
        verts = np.concatenate([a[:, None] + ring * r, b[:, None] + ring * r * 0.8], 1).reshape(-1, 3)
        k = np.arange(sides)
        face = np.stack([k, (k + 1) % sides, (k + 1) % sides + sides, k + sides], 1)
        faces = (face[None] + (np.arange(len(part)) * 2 * sides)[:, None, None]).reshape(-1, 4)
        mesh.add(verts, faces, "bark", colour, smooth=True)


def _leaves(mesh, rng, tips, per_tip, size, green, scatter):
    """Quads scattered about the tips, darker inside the crown than outside."""
    n = len(tips) * per_tip
    centre = np.repeat(tips, per_tip, 0) + rng.normal(0, scatter, (n, 3)) * (1, 1, 0.8)
    heart = tips.mean(0)
    depth = np.linalg.norm(centre - heart, axis=1)
    shade = np.clip(0.55 + 0.6 * depth / depth.max(), 0.5, 1.15) * rng.uniform(0.7, 1.25, n)
    colour = np.asarray(green) * shade[:, None] * (1 + rng.normal(0, 0.08, (n, 3)))
    _cards(mesh, rng, centre, size, colour)


def _cards(mesh, rng, centre, size, colour, up=0.3):
    n = len(centre)
    a = rng.normal(0, 1, (n, 3)) + np.array([0, 0, up])
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    b = np.cross(a, rng.normal(0, 1, (n, 3)))
    b /= np.linalg.norm(b, axis=1, keepdims=True)
    s = size * rng.uniform(0.6, 1.3, (n, 1))
    u, w = b * s, np.cross(a, b) * s * 0.7
    verts = np.stack([centre - u, centre - w, centre + u, centre + w], 1).reshape(-1, 3)
    faces = np.arange(4 * n).reshape(n, 4)
    mesh.add(verts, faces, "leaf", np.repeat(np.clip(colour, 0, 1)[:, None], 4, 1), uv=np.zeros((n, 4, 2)))


@lru_cache(maxsize=32)
def conifer(variant):
    """A cypress, yew or fir: a cone of foliage to the ground."""
    rng, draw = array_stream("conifer", variant), stream("conifer", variant)
    height, wide = draw.uniform(5, 13), draw.uniform(0.9, 2.4)
    n = 9000
    z = 0.3 + (height - 0.3) * (1 - np.sqrt(rng.random(n)))
    layer = 0.8 + 0.2 * np.abs(np.sin(z * 5))
    r = wide * (1 - z / height) ** 0.8 * layer * np.sqrt(rng.uniform(0.35, 1, n)) + 0.05
    a = rng.uniform(0, 2 * math.pi, n)
    base = np.array(draw.choice([(0.04, 0.075, 0.03), (0.05, 0.085, 0.045), (0.075, 0.10, 0.05), (0.09, 0.09, 0.03)]))
    mesh = Mesh()
    mesh.tube([(0, 0, -0.3), (0, 0, height * 0.8)], [0.16, 0.03], "bark", (0.13, 0.09, 0.06), 6)
    colour = base * (rng.uniform(0.5, 1.35, n) * (0.55 + 0.45 * (r / wide)))[:, None]
    _cards(mesh, rng, np.stack([r * np.cos(a), r * np.sin(a), z], 1), 0.11, colour)
    return mesh


@lru_cache(maxsize=32)
def bush(variant):
    """A shrub about 1.6 m across: a lumpy ball of leaves over a dark core."""
    rng, draw = array_stream("bush", variant), stream("bush", variant)
    n = 1500
    unit = rng.normal(0, 1, (n, 3))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    lump = 1 + 0.22 * np.sin(unit @ rng.normal(0, 4, 3)) + 0.12 * np.sin(unit @ rng.normal(0, 7, 3))
    centre = unit * (0.8 * lump * rng.uniform(0.75, 1, n))[:, None] * (1, 1, 0.85) + (0, 0, 0.6)
    base = np.array(
        draw.choice(
            [(0.09, 0.15, 0.04), (0.14, 0.17, 0.05), (0.06, 0.10, 0.04), (0.20, 0.15, 0.07), (0.12, 0.08, 0.05)]
        )
    )
    mesh = Mesh()
    mesh.ball((0, 0, 0.55), (0.62, 0.62, 0.55), "leaf", tuple(base * 0.35), 6)
    _cards(mesh, rng, centre, 0.075, base * rng.uniform(0.5, 1.4, n)[:, None])
    return mesh


@lru_cache(maxsize=16)
def hedge(variant):
    """Two metres of clipped hedge, 1 m high and 0.6 m deep, to be repeated and scaled."""
    rng, draw = array_stream("hedge", variant), stream("hedge", variant)
    n = 1700
    p = rng.uniform(-1, 1, (n, 3))
    face = rng.integers(0, 5, n)
    p[face < 2, 1] = np.where(face[face < 2] == 0, -1, 1)
    p[(face == 2) | (face == 3), 2] = 1
    centre = p * (1.02, 0.3, 0.5) + (0, 0, 0.5) + rng.normal(0, 0.035, (n, 3))
    base = np.array(draw.choice([(0.08, 0.14, 0.04), (0.05, 0.09, 0.03), (0.15, 0.17, 0.06), (0.14, 0.10, 0.05)]))
    mesh = Mesh()
    mesh.box((-1.02, -0.24, 0), (1.02, 0.24, 0.93), "leaf", tuple(base * 0.35))
    _cards(mesh, rng, centre, 0.06, base * rng.uniform(0.5, 1.4, n)[:, None])
    return mesh
