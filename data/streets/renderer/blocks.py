"""Larger buildings: offices and flats, churches, sheds (see buildings.py)."""

from collections import defaultdict

from . import facades, roofs
from .buildings import SKIRT, materials_for, shell, storeys
from .classes import BUILDING
from .mesh import Mesh
from .rng import jitter, pick


def office(rng, w, d, ground="door"):
    """Concrete, brick or glass blocks of flats and offices, with flat roofs."""
    parts = defaultdict(Mesh)
    mesh = parts[BUILDING]
    mat, col = materials_for(
        rng,
        {
            "concrete": 0.3,
            "brick_yellow": 0.18,
            "brick_red": 0.12,
            "brick_dark": 0.08,
            "plaster": 0.2,
            "cladding": 0.12,
        },
    )
    floors, storey = rng.choice([2, 3, 3, 4, 4, 5]), rng.uniform(3.0, 3.6)
    kind = pick(rng, {"ribbon": 0.3, "grid": 0.4, "curtain": 0.15, "flats": 0.15})
    low = 3.8 if ground == "shop" else storey
    h = low + (floors - 1) * storey + 0.4
    first = 1 if ground == "shop" else 0
    holes = []
    if kind == "curtain":  # glass with thin mullions
        n = max(2, round(w / 1.6))
        for f in range(first, floors):
            for k in range(n):
                z = low - storey + f * storey
                facades.picture(
                    mesh,
                    w * k / n,
                    w * (k + 1) / n,
                    max(z, 0),
                    z + storey,
                    -0.02,
                    "windows",
                    24 + rng.randrange(8),
                    jitter(rng, (0.8, 0.9, 0.95), 0.1),
                )
            mesh.box(
                (0, -0.06, low + (f - 1) * storey + storey - 0.3),
                (w, 0, low + (f - 1) * storey + storey),
                "cladding",
                col,
                bottom=True,
            )
    elif kind == "ribbon":
        for f in range(first, floors):
            z = low + (f - 1) * storey
            hole = (0.4, w - 0.4, z + 1.0, z + storey - 0.6)
            holes.append(hole)
            facades.reveal(mesh, *hole, 0.2, mat, col)
            n = max(2, round(w / 1.5))
            for k in range(n):
                facades.picture(
                    mesh,
                    0.4 + (w - 0.8) * k / n,
                    0.4 + (w - 0.8) * (k + 1) / n,
                    hole[2],
                    hole[3],
                    0.19,
                    "windows",
                    24 + rng.randrange(8),
                )
    else:
        holes = storeys(
            parts,
            rng,
            w,
            low - storey,
            floors,
            storey,
            rng.choice([2, 3, 3]),
            mat,
            col,
            (rng.uniform(1.2, 2.0), rng.uniform(1.3, 2.0)),
            None,
            first,
        )
        if kind == "flats":
            for f in range(1, floors):
                for k in range(max(1, round(w / 7))):
                    x = w * (k + 0.5) / max(1, round(w / 7))
                    facades.balcony(parts, rng, x - 1.5, x + 1.5, low + (f - 1) * storey + 0.15)
    if ground == "shop":
        n = max(1, round(w / rng.uniform(6, 10)))
        for k in range(n):
            facades.shop(parts, rng, w * k / n, w * (k + 1) / n, low, jitter(rng, col, 0.2))
    if kind != "curtain":
        facades.wall(mesh, 0, w, low if ground == "shop" else SKIRT, h, holes, mat, col)
    shell(mesh, w, d, h, mat, col)
    roofs.flat(mesh, rng, w, d, h, mat, col)
    return parts


def church(rng, w, d):
    """A stone hall with tall windows and buttresses, and a tower with or without a spire."""
    parts = defaultdict(Mesh)
    mesh = parts[BUILDING]
    col = jitter(rng, rng.choice([(0.55, 0.52, 0.47), (0.75, 0.72, 0.66), (0.4, 0.37, 0.33)]), 0.15)
    h, n = rng.uniform(7, 10), max(3, int(w / 3.6))
    holes = [(w * (k + 0.5) / n - 0.7, w * (k + 0.5) / n + 0.7, 2.0, h - 1.8) for k in range(n)]
    for hole in holes:
        facades.window(mesh, rng, hole, 4, "ashlar", col)
        x0, x1, _, z1 = hole
        mesh.add(
            [(x0, -0.02, z1), (x1, -0.02, z1), ((x0 + x1) / 2, -0.02, z1 + 1.1)],
            [(0, 1, 2)],
            "gloss",
            (0.02, 0.02, 0.03),
        )
    facades.wall(mesh, 0, w, SKIRT, h, holes, "ashlar", col)
    for k in range(n + 1):
        x = w * k / n
        mesh.box((x - 0.35, -0.9, SKIRT), (x + 0.35, 0, h * 0.6), "ashlar", col)
        mesh.box((x - 0.35, -0.45, h * 0.6), (x + 0.35, 0, h - 0.6), "ashlar", col)
    shell(mesh, w, d, h, "ashlar", col)
    roofs.pitched(mesh, rng, w, d, h, "ashlar", col, chimney=0, dormers=0)
    t, top, x = rng.uniform(4.5, 6.5), rng.uniform(16, 27), rng.choice([0.5, w - 6])
    mesh.box((x, 1, SKIRT), (x + t, 1 + t, top), "ashlar", col)
    for z in (top * 0.35, top * 0.6, top - 4):
        mesh.quad(
            (x + t / 2 - 0.6, 0.98, z),
            (x + t / 2 + 0.6, 0.98, z),
            (x + t / 2 + 0.6, 0.98, z + 2.4),
            (x + t / 2 - 0.6, 0.98, z + 2.4),
            "gloss",
            (0.02, 0.02, 0.03),
        )
    if rng.random() < 0.5:
        tip = (x + t / 2, 1 + t / 2, top + rng.uniform(6, 14))
        c = [(x, 1, top), (x + t, 1, top), (x + t, 1 + t, top), (x, 1 + t, top)]
        mesh.add([*c, tip], [(0, 1, 4), (1, 2, 4), (2, 3, 4), (3, 0, 4)], "ashlar", col)
    for dx in (0, t - 0.8):
        for dy in (0, t - 0.8):
            mesh.box((x + dx, 1 + dy, top), (x + dx + 0.8, 1.8 + dy, top + 1.8), "ashlar", col)
    return parts


def shed(rng, w, d):
    """A supermarket, garage or depot: low, wide, clad, with a name on it."""
    parts = defaultdict(Mesh)
    mesh = parts[BUILDING]
    mat, col = materials_for(rng, {"cladding": 0.6, "plaster": 0.2, "brick_red": 0.1, "brick_yellow": 0.1})
    h = rng.uniform(4.5, 8)
    mid = w / 2
    hole = (mid - w / 4, mid + w / 4, 0.0, 3.0)
    n = max(2, round(w / 2 / 4))
    for k in range(n):
        facades.picture(
            mesh,
            hole[0] + (w / 2) * k / n,
            hole[0] + (w / 2) * (k + 1) / n,
            0,
            3.0,
            0.3,
            "shopfronts",
            rng.randrange(16),
        )
    facades.reveal(mesh, *hole, 0.3, mat, col)
    facades.wall(mesh, 0, w, SKIRT, h, [hole], mat, col)
    facades.picture(mesh, mid - 4, mid + 4, h - 1.6, h - 0.4, -0.08, "fascias", rng.randrange(24))
    mesh.box(
        (0, -rng.choice([0.1, 2.5]), 3.2),
        (w, 0, 3.5),
        "cladding",
        rng.choice([col, (0.6, 0.6, 0.6), (0.5, 0.1, 0.05)]),
        bottom=True,
    )
    shell(mesh, w, d, h, mat, col)
    roofs.flat(mesh, rng, w, d, h, mat, col)
    return parts
