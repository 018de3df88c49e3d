"""Lorries and buses: boxes with glass bands and wheels."""

from . import atlases
from .mesh import WHITE, Mesh
from .rng import jitter
from .vehicle_parts import plate, wheels


def boxy(rng, kind, paint, lights, braking):
    """A lorry (cab and box) or a bus (one or two decks)."""
    mesh, half = Mesh(), 1.22
    bus = kind == "bus"
    length = rng.uniform(9, 11) if bus else rng.uniform(6, 8)
    top = rng.choice([2.9, 4.2]) if bus else 2.3
    cab = length / 2
    low, dark = 0.35, (0.02, 0.025, 0.03)
    if bus:
        mesh.box((-half, -cab, low), (half, cab, top), "carpaint", paint, bottom=True)
        stripe = jitter(rng, rng.choice([(0.6, 0.6, 0.58), (0.5, 0.4, 0.05), (0.05, 0.2, 0.4)]), 0.2)
        mesh.box((-half - 0.01, -cab - 0.01, low + 0.6), (half + 0.01, cab + 0.01, low + 0.9), "carpaint", stripe)
        for z in [1.45] if top < 3 else [1.45, 3.0]:
            _glaze(mesh, half, cab, z, z + 0.95)
    else:
        load = jitter(
            rng,
            rng.choice([(0.6, 0.6, 0.58), (0.1, 0.15, 0.35), (0.35, 0.05, 0.05), (0.5, 0.5, 0.48), (0.1, 0.25, 0.15)]),
            0.2,
        )
        mesh.box((-half, -cab, 0.9), (half, cab - 2.0, rng.uniform(2.7, 3.4)), "worn_paint", load, bottom=True)
        mesh.box((-half * 0.9, -cab + 0.2, 0.5), (half * 0.9, cab - 1.8, 0.9), "rubber", dark, bottom=True)
        mesh.box((-half * 0.95, cab - 1.85, low), (half * 0.95, cab, 2.35), "carpaint", paint, bottom=True)
        for s in (-1, 1):
            x = s * half * 0.96
            q = [(x, cab - 1.3, 1.35), (x, cab - 0.25, 1.35), (x, cab - 0.35, 2.1), (x, cab - 1.3, 2.1)]
            mesh.quad(*(q if s > 0 else q[::-1]), "glass", dark)
        if rng.random() < 0.5:
            box = atlases.cell("fascias", rng.randrange(24))
            for s in (-1, 1):
                q = [
                    (s * (half + 0.01), y, z)
                    for y, z in ((-cab + 0.5, 1.6), (cab - 2.5, 1.6), (cab - 2.5, 2.2), (-cab + 0.5, 2.2))
                ]
                q = q if s > 0 else [q[1], q[0], q[3], q[2]]
                mesh.quad(*q, "fascias", WHITE, box)
    z1 = 2.35 if bus else 2.2
    mesh.quad(
        (half * 0.92, cab + 0.012, 1.15),
        (-half * 0.92, cab + 0.012, 1.15),
        (-half * 0.92, cab + 0.012, z1),
        (half * 0.92, cab + 0.012, z1),
        "glass",
        dark,
    )
    if bus and top > 3:
        mesh.quad(
            (half * 0.92, cab + 0.012, 3.0),
            (-half * 0.92, cab + 0.012, 3.0),
            (-half * 0.92, cab + 0.012, 3.95),
            (half * 0.92, cab + 0.012, 3.95),
            "glass",
            dark,
        )
    wheels(mesh, rng, half, 0.46, cab - 1.0 - (1.2 if bus else 0.2), -cab + 2.0)
    for s in (-1, 1):
        mesh.box(
            (s * 0.85 - 0.18, cab - 0.2, 0.7),
            (s * 0.85 + 0.18, cab + 0.015, 0.9),
            "glow" if lights else "gloss",
            (0.7, 0.7, 0.65),
            bottom=True,
        )
        mesh.box(
            (s * 1.0 - 0.1, -cab - 0.015, 0.95),
            (s * 1.0 + 0.1, -cab + 0.2, 1.25),
            "glow" if braking else "gloss",
            (0.4, 0.015, 0.015),
            bottom=True,
        )
        mesh.box(
            (s * (half + 0.15) - 0.08, cab - 0.15, 1.6),
            (s * (half + 0.15) + 0.08, cab, 2.1),
            "rubber",
            (0.02, 0.02, 0.02),
            bottom=True,
        )
    plate(mesh, -cab - 0.03, 0.6, (0.75, 0.55, 0.04), -1)
    plate(mesh, cab + 0.03, 0.5, (0.8, 0.8, 0.78), 1)
    return mesh, length


def _glaze(mesh, half, cab, z0, z1):
    """A band of windows round a bus."""
    n = 6
    for s in (-1, 1):
        for k in range(n):
            y0, y1 = -cab + 0.3 + (2 * cab - 0.6) * k / n + 0.05, -cab + 0.3 + (2 * cab - 0.6) * (k + 1) / n - 0.05
            q = [
                (s * (half + 0.008), y0, z0),
                (s * (half + 0.008), y1, z0),
                (s * (half + 0.008), y1, z1),
                (s * (half + 0.008), y0, z1),
            ]
            mesh.quad(*(q if s > 0 else q[::-1]), "glass", (0.03, 0.035, 0.04))
    mesh.quad(
        (-half * 0.8, -cab - 0.012, z0 + 0.1),
        (half * 0.8, -cab - 0.012, z0 + 0.1),
        (half * 0.8, -cab - 0.012, z1),
        (-half * 0.8, -cab - 0.012, z1),
        "glass",
        (0.03, 0.035, 0.04),
    )
