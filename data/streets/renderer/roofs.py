"""Roofs, parapets, gables, dormers and chimneys, in the frame of a front (see facades.py)."""

from . import atlases
from .mesh import WHITE

COLOURS = [(0.16, 0.17, 0.20), (0.22, 0.21, 0.21), (0.32, 0.17, 0.12), (0.27, 0.20, 0.16), (0.36, 0.25, 0.18)]


def flat(mesh, rng, w, d, h, mat, col):
    """A parapet with a coping, and something on the roof."""
    up = rng.uniform(0.3, 1.0)
    for lo, hi in (
        ((0, 0, h), (w, 0.3, h + up)),
        ((0, d - 0.3, h), (w, d, h + up)),
        ((0, 0.3, h), (0.3, d - 0.3, h + up)),
        ((w - 0.3, 0.3, h), (w, d - 0.3, h + up)),
    ):
        mesh.box(lo, hi, mat, col)
    mesh.box((-0.06, -0.1, h + up), (w + 0.06, 0.34, h + up + 0.12), "concrete", (0.6, 0.59, 0.56), bottom=True)
    mesh.quad((0, 0, h), (w, 0, h), (w, d, h), (0, d, h), "asphalt", (0.3, 0.3, 0.3))
    if rng.random() < 0.4 and w > 5:
        x, s = rng.uniform(1, w - 3), rng.uniform(1, 2.5)
        mesh.box(
            (x, 2.5, h),
            (x + s, 2.5 + s, h + rng.uniform(1, 2.5)),
            rng.choice(["plaster", "cladding", mat]),
            (0.5, 0.5, 0.5),
        )


def pitched(mesh, rng, w, d, h, mat, col, chimney=0.7, dormers=0.25):
    """Ridge along the street, gable walls at both ends, a gutter at the eaves."""
    rise, over = rng.uniform(0.32, 0.5) * d, 0.3
    mid, tint = d / 2, rng.choice(COLOURS)
    for y0, y1 in ((-over, mid), (d + over, mid)):
        z0 = h - over * rise / mid
        a, b, c, e = (-0.02, y0, z0), (w + 0.02, y0, z0), (w + 0.02, y1, h + rise), (-0.02, y1, h + rise)
        mesh.quad(*((a, b, c, e) if y0 < y1 else (b, a, e, c)), "tiles", tint)
    for x, flip in ((0, 1), (w, -1)):
        tri = [(x, 0, h - 0.02), (x, d, h - 0.02), (x, mid, h + rise - 0.02)]
        mesh.add(tri[::-flip], [(0, 1, 2)], mat, col)
    mesh.box(
        (0, -over - 0.1, h - over * rise / mid - 0.05),
        (w, -over, h - over * rise / mid + 0.06),
        "paint",
        rng.choice([(0.05, 0.05, 0.05), (0.6, 0.6, 0.6)]),
        bottom=True,
    )
    mesh.box(
        (0, -over, h - 0.3),
        (w, 0.02, h - 0.12),
        "paint",
        rng.choice([(0.6, 0.6, 0.58), (0.1, 0.08, 0.06)]),
        bottom=True,
    )
    if rng.random() < dormers:
        n = 1 if w < 6 else 2
        for k in range(n):
            dormer(mesh, rng, w * (k + 0.5) / n, 0.25 * mid, h + 0.2 * rise, rise)
    if rng.random() < chimney:
        chimney_stack(mesh, rng, rng.choice([0.1, w - 0.1]), mid * rng.uniform(0.7, 1.2), h + rise, mat, col)


def gabled(mesh, rng, w, d, h, mat, col):
    """Gable towards the street."""
    rise, tint = w * rng.uniform(0.35, 0.55), rng.choice(COLOURS)
    mesh.add([(0, 0, h), (w, 0, h), (w / 2, 0, h + rise)], [(0, 1, 2)], mat, col)
    mesh.add([(w, d, h), (0, d, h), (w / 2, d, h + rise)], [(0, 1, 2)], mat, col)
    for a, b in (((-0.3, h - 0.3), (w / 2, h + rise)), ((w / 2, h + rise), (w + 0.3, h - 0.3))):
        mesh.quad((a[0], -0.3, a[1]), (b[0], -0.3, b[1]), (b[0], d + 0.2, b[1]), (a[0], d + 0.2, a[1]), "tiles", tint)
        mesh.quad(
            (a[0], -0.31, a[1] - 0.25),
            (b[0], -0.31, b[1] - 0.25),
            (b[0], -0.31, b[1]),
            (a[0], -0.31, a[1]),
            "paint",
            (0.55, 0.55, 0.53),
        )
    if rng.random() < 0.5:
        chimney_stack(mesh, rng, w / 2, d * 0.6, h + rise, mat, col)


def mansard(mesh, rng, w, d, h, mat, col):
    """A steep slate storey with dormers behind a cornice."""
    up, tint = 2.4, COLOURS[0]
    mesh.box((0, -0.3, h - 0.15), (w, 0.4, h + 0.2), "plaster", (0.6, 0.58, 0.53), bottom=True)
    mesh.quad((0, 0.3, h + 0.2), (w, 0.3, h + 0.2), (w, 1.2, h + up), (0, 1.2, h + up), "tiles", tint)
    mesh.quad((0, 1.2, h + up), (w, 1.2, h + up), (w, d, h + up + 0.5), (0, d, h + up + 0.5), "tiles", tint)
    for x, flip in ((0, 1), (w, -1)):
        pts = [(x, 0.1, h), (x, d, h), (x, d, h + up + 0.5), (x, 1.2, h + up)]
        mesh.quad(*pts[::-flip], mat, col)
    n = max(1, int(w / 2.6))
    for k in range(n):
        dormer(mesh, rng, w * (k + 0.5) / n, 0.35, h + 0.5, 2.2)
    chimney_stack(mesh, rng, rng.choice([0.2, w - 0.2]), d / 2, h + up, mat, col)


def dormer(mesh, rng, x, y, z, reach):
    half, tall = 0.6, 1.35
    mesh.box((x - half, y, z - 0.3), (x + half, y + reach, z + tall), "plaster", (0.55, 0.54, 0.5))
    mesh.quad(
        (x - half + 0.1, y - 0.01, z + 0.1),
        (x + half - 0.1, y - 0.01, z + 0.1),
        (x + half - 0.1, y - 0.01, z + tall - 0.12),
        (x - half + 0.1, y - 0.01, z + tall - 0.12),
        "windows",
        WHITE,
        atlases.cell("windows", 8 + rng.randrange(16)),
    )
    mesh.box(
        (x - half - 0.1, y - 0.12, z + tall),
        (x + half + 0.1, y + reach, z + tall + 0.12),
        "metal",
        (0.25, 0.26, 0.28),
        bottom=True,
    )


def chimney_stack(mesh, rng, x, y, z, mat, col):
    w, d, top = rng.uniform(0.45, 0.7), rng.uniform(0.8, 1.9), z + rng.uniform(0.5, 1.3)
    mesh.box((x - w / 2, y - d / 2, z - 2.2), (x + w / 2, y + d / 2, top), mat, col)
    mesh.box(
        (x - w / 2 - 0.06, y - d / 2 - 0.06, top),
        (x + w / 2 + 0.06, y + d / 2 + 0.06, top + 0.12),
        mat,
        col,
        bottom=True,
    )
    for k in range(rng.randrange(1, 5)):
        yy = y - d / 2 + 0.25 + 0.38 * k
        if yy < y + d / 2:
            mesh.cylinder((x, yy, top + 0.1), (x, yy, top + 0.5), 0.12, "plain", (0.35, 0.17, 0.1), 7)
