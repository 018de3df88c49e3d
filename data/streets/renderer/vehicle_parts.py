"""Wheels, lamps, number plates and doors of vehicles."""

import math


def wheels(mesh, rng, half, r, yf, yr):
    hub = rng.choice([(0.45, 0.45, 0.46), (0.3, 0.3, 0.31), (0.12, 0.12, 0.12)])
    spokes = rng.choice([5, 6, 7, 8])
    for y in (yf, yr):
        for s in (-1, 1):
            out = s * half
            a = [t * math.pi / 12 - 0.15 for t in range(14)]
            arch = [(out * 1.003, y + (r + 0.085) * math.cos(t), r + (r + 0.085) * math.sin(t)) for t in a]
            mesh.add(arch if s > 0 else arch[::-1], [tuple(range(len(arch)))], "rubber", (0.012, 0.012, 0.012))
            mesh.cylinder((out - s * 0.2, y, r), (out + s * 0.012, y, r), r, "rubber", (0.022, 0.022, 0.023), 18)
            disc = [
                (out + s * 0.018, y + r * 0.66 * math.cos(t * math.pi / 8), r + r * 0.66 * math.sin(t * math.pi / 8))
                for t in range(16)
            ]
            mesh.add(disc if s > 0 else disc[::-1], [tuple(range(16))], "rubber", (0.03, 0.03, 0.03))
            for k in range(spokes):
                t = 2 * math.pi * k / spokes
                c, d = math.cos(t), math.sin(t)
                w = r * 0.1
                q = [
                    (out + s * 0.024, y + u * c * r - v * d, r + u * d * r + v * c)
                    for u, v in ((0.1, -w), (0.64, -w), (0.64, w), (0.1, w))
                ]
                mesh.quad(*(q if s > 0 else q[::-1]), "metal", hub)
            rim = [
                (out + s * 0.02, y + r * q * math.cos(t * math.pi / 8), r + r * q * math.sin(t * math.pi / 8))
                for q in (0.56, 0.68)
                for t in range(16)
            ]
            faces = [(k, 16 + k, 16 + (k + 1) % 16, (k + 1) % 16) for k in range(16)]
            mesh.add(rim, faces if s > 0 else [f[::-1] for f in faces], "metal", hub)


def face(mesh, rng, half, y, zf, ride, lights):
    """Grille, headlamps, number plate."""
    lamp = "glow" if lights else "gloss"
    for s in (-1, 1):
        x = s * half * 0.66
        mesh.box(
            (x - 0.18, y - 0.25, zf - 0.22),
            (x + 0.18, y + 0.012, zf - 0.07),
            lamp,
            (0.75, 0.74, 0.7) if lights else (0.35, 0.36, 0.37),
            bottom=True,
        )
    mesh.box(
        (-half * 0.4, y - 0.1, zf - 0.2), (half * 0.4, y + 0.015, zf - 0.09), "rubber", (0.02, 0.02, 0.02), bottom=True
    )
    mesh.box(
        (-half * 0.55, y - 0.1, ride + 0.1),
        (half * 0.55, y + 0.013, ride + 0.2),
        "rubber",
        (0.02, 0.02, 0.02),
        bottom=True,
    )
    plate(mesh, y + 0.055, ride + 0.20, (0.8, 0.8, 0.78), 1)


def tail(mesh, half, y, zt, kind, braking):
    z = zt - (0.30 if kind in ("hatch", "small", "saloon", "taxi") else 0.28)
    for s in (-1, 1):
        x = s * half * 0.76
        mesh.box(
            (x - 0.12, y - 0.012, z - 0.06),
            (x + 0.10, y + 0.3, z + 0.17),
            "glow" if braking else "gloss",
            (0.55, 0.02, 0.015) if braking else (0.25, 0.012, 0.012),
            bottom=True,
        )
    plate(mesh, y - 0.055, z - 0.16, (0.75, 0.55, 0.04), -1)


def back_doors(mesh, rng, half, y, zr, zt):
    """The seam between a van's back doors, and their windows if it has any."""
    mesh.box((-0.012, y - 0.012, 0.45), (0.012, y + 0.1, zr - 0.15), "rubber", (0.03, 0.03, 0.03))
    if rng.random() < 0.6:
        for s in (-1, 1):
            x0, x1 = sorted((s * 0.1, s * half * 0.68))
            q = [
                (x0, y - 0.02, zt + 0.08),
                (x1, y - 0.02, zt + 0.08),
                (x1, y + 0.05, zr - 0.22),
                (x0, y + 0.05, zr - 0.22),
            ]
            mesh.quad(*q, "glass", (0.015, 0.02, 0.022))


def plate(mesh, y, z, col, way):
    x = 0.26
    q = [(x, y, z), (-x, y, z), (-x, y, z + 0.11), (x, y, z + 0.11)]
    mesh.quad(*(q if way > 0 else [(-a, b, c) for a, b, c in q]), "paint", col)
    for k in range(7):
        a = -0.21 + 0.06 * k + (0.03 if k > 3 else 0)
        q = [
            (a + 0.035, y + way * 0.003, z + 0.02),
            (a, y + way * 0.003, z + 0.02),
            (a, y + way * 0.003, z + 0.09),
            (a + 0.035, y + way * 0.003, z + 0.09),
        ]
        mesh.quad(*(q if way > 0 else q[::-1]), "paint", (0.02, 0.02, 0.02))
