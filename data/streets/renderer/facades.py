"""Pieces of a front, in its own frame: x along it, z up, and y into the building (the street is at negative y)."""

import itertools

from . import atlases
from .classes import BUILDING, SIGN
from .mesh import WHITE
from .rng import jitter

STONE = (0.62, 0.59, 0.52)


def wall(mesh, x0, x1, z0, z1, openings, mat, col):
    """A wall with rectangular holes; holes come in rows that share their heights."""
    low = z0
    for bottom, top in sorted({(o[2], o[3]) for o in openings}):
        row = sorted(o for o in openings if (o[2], o[3]) == (bottom, top))
        if bottom > low:
            _flat(mesh, x0, x1, low, bottom, mat, col)
        left = x0
        for a, b, _, _ in row:
            _flat(mesh, left, a, bottom, top, mat, col)
            left = b
        _flat(mesh, left, x1, bottom, top, mat, col)
        low = top
    _flat(mesh, x0, x1, low, z1, mat, col)


def _flat(mesh, x0, x1, z0, z1, mat, col, y=0.0):
    if x1 - x0 > 1e-3 and z1 - z0 > 1e-3:
        mesh.quad((x0, y, z0), (x1, y, z0), (x1, y, z1), (x0, y, z1), mat, col)


def picture(mesh, x0, x1, z0, z1, y, sheet, index, col=WHITE):
    """A cell of a picture sheet, facing the street."""
    mesh.quad((x0, y, z0), (x1, y, z0), (x1, y, z1), (x0, y, z1), sheet, col, atlases.cell(sheet, index))


def reveal(mesh, x0, x1, z0, z1, depth, mat, col):
    """The four inner faces of a hole."""
    mesh.quad((x0, 0, z0), (x0, depth, z0), (x0, depth, z1), (x0, 0, z1), mat, col)
    mesh.quad((x1, depth, z0), (x1, 0, z0), (x1, 0, z1), (x1, depth, z1), mat, col)
    mesh.quad((x0, 0, z0), (x1, 0, z0), (x1, depth, z0), (x0, depth, z0), mat, col)
    mesh.quad((x0, depth, z1), (x1, depth, z1), (x1, 0, z1), (x0, 0, z1), mat, col)


def window(mesh, rng, hole, style, wall_mat, wall_col, trim=None):
    """Glass and frame set back in a hole, with a sill and a lintel or surround."""
    x0, x1, z0, z1 = hole
    reveal(mesh, x0, x1, z0, z1, 0.13, wall_mat, wall_col)
    picture(mesh, x0, x1, z0, z1, 0.12, "windows", style * 8 + rng.randrange(8))
    if trim:
        mesh.box((x0 - 0.07, -0.08, z0 - 0.1), (x1 + 0.07, 0.1, z0), "plaster", trim)
        mesh.box((x0 - 0.12, -0.025, z1), (x1 + 0.12, 0.02, z1 + 0.22), "plaster", trim)


def door(mesh, rng, x0, x1, z1, wall_mat, wall_col):
    reveal(mesh, x0, x1, 0, z1, 0.2, wall_mat, wall_col)
    picture(mesh, x0, x1, 0, z1, 0.19, "doors", rng.randrange(8))
    mesh.box((x0 - 0.15, -0.35, -1), (x1 + 0.15, 0.0, 0.12), "concrete", (0.5, 0.5, 0.48))


def bay_window(mesh, rng, x, w, z0, floors, storey, style, mat, col):
    """A Victorian canted bay: three faces of glass between painted posts, with a small roof."""
    out, cant = 0.75, 0.55
    plan = [(x - w / 2, 0), (x - w / 2 + cant, -out), (x + w / 2 - cant, -out), (x + w / 2, 0)]
    top = z0 + floors * storey - 0.35
    for p, q in itertools.pairwise(plan):
        low = z0 - 1
        for f in range(floors):
            a, b = z0 + f * storey + 0.75, z0 + f * storey + 2.35
            _upright(mesh, p, q, low, a, mat, col)
            _upright(mesh, p, q, a, b, "windows", WHITE, atlases.cell("windows", style * 8 + rng.randrange(8)))
            low = b
        _upright(mesh, p, q, low, top, "plaster", STONE)
    for a, b in itertools.pairwise(plan):
        mesh.add([(*a, top), (*b, top), (x, 0.1, top + 0.6)], [(0, 1, 2)], "tiles", (0.2, 0.2, 0.23))


def _upright(mesh, p, q, z0, z1, mat, col, uv=None):
    """A vertical face over the line from p to q."""
    mesh.quad((*p, z0), (*q, z0), (*q, z1), (*p, z1), mat, col, uv)


def shop(parts, rng, x0, x1, height, col):
    """A shop front with its name above, perhaps an awning, perhaps a sign that sticks out."""
    mesh = parts[BUILDING]
    top = height - 0.75
    mesh.quad((x0, 0.25, top), (x1, 0.25, top), (x1, 0, top), (x0, 0, top), "paint", col)
    picture(mesh, x0, x1, 0.05, top, 0.25, "shopfronts", rng.randrange(16))
    for x in (x0, x1 - 0.28):
        mesh.box((x, -0.06, -1), (x + 0.28, 0.26, height), "paint", col)
    mesh.box((x0, 0.05, -1), (x1, 0.3, 0.06), "concrete", (0.3, 0.3, 0.3))
    board = rng.randrange(24)
    mesh.box((x0, -0.12, top - 0.05), (x1, 0.2, height), "paint", col)
    picture(mesh, x0 + 0.1, x1 - 0.1, top + 0.04, height - 0.08, -0.13, "fascias", board)
    if rng.random() < 0.28:
        c = rng.choice([(0.4, 0.05, 0.05), (0.06, 0.2, 0.1), (0.5, 0.47, 0.4), (0.06, 0.1, 0.3)])
        out, drop = rng.uniform(0.8, 1.5), rng.uniform(0.5, 0.9)
        mesh.quad(
            (x0 + 0.2, -out, top - drop),
            (x1 - 0.2, -out, top - drop),
            (x1 - 0.2, -0.1, top),
            (x0 + 0.2, -0.1, top),
            "cloth",
            c,
        )
        mesh.quad(
            (x0 + 0.2, -out, top - drop - 0.2),
            (x1 - 0.2, -out, top - drop - 0.2),
            (x1 - 0.2, -out, top - drop),
            (x0 + 0.2, -out, top - drop),
            "cloth",
            c,
        )
    if rng.random() < 0.45:
        hanging_sign(parts, rng, rng.uniform(x0 + 0.4, x1 - 0.4), rng.uniform(height - 0.4, height + 1.2))


def hanging_sign(parts, rng, x, z):
    """A small board across the pavement: SignSymbol, though its lettering is that of the shop."""
    w, h = rng.uniform(0.5, 0.9), rng.uniform(0.5, 0.9)
    mesh = parts[SIGN]
    sheet = "fascias" if rng.random() < 0.5 else "posters"
    board = atlases.cell(sheet, rng.randrange(12))
    mesh.box((x - 0.04, -0.2 - w, z), (x + 0.04, -0.2, z + h), "paint", (0.2, 0.2, 0.2), bottom=True)
    for dx, (a, b) in ((-0.045, (-0.2, -0.2 - w)), (0.045, (-0.2 - w, -0.2))):
        mesh.quad((x + dx, a, z), (x + dx, b, z), (x + dx, b, z + h), (x + dx, a, z + h), sheet, WHITE, board)
    parts[BUILDING].box((x - 0.02, -0.2 - w, z + h), (x + 0.02, 0, z + h + 0.04), "metal", (0.05, 0.05, 0.05))


def balcony(parts, rng, x0, x1, z):
    mesh = parts[BUILDING]
    mesh.box((x0, -1.1, z - 0.15), (x1, 0, z), "concrete", (0.6, 0.6, 0.58), bottom=True)
    if rng.random() < 0.5:
        mesh.box((x0, -1.12, z), (x1, -1.08, z + 1.0), "glass", (0.2, 0.23, 0.24))
    else:
        n = int((x1 - x0) / 0.14)
        for k in range(n + 1):
            x = x0 + (x1 - x0) * k / n
            mesh.box((x - 0.012, -1.1, z), (x + 0.012, -1.08, z + 1), "metal", (0.08, 0.08, 0.08))
        mesh.box((x0, -1.11, z + 1), (x1, -1.07, z + 1.05), "metal", (0.08, 0.08, 0.08))


def downpipe(mesh, x, height, col=(0.06, 0.06, 0.06)):
    mesh.cylinder((x, -0.07, -0.5), (x, -0.07, height), 0.045, "paint", col, 6)


def clutter(parts, rng, width, height):
    """Small things on a front: pipes, an alarm box, a dish, a lamp."""
    mesh = parts[BUILDING]
    if rng.random() < 0.7:
        downpipe(
            mesh,
            rng.choice([0.12, width - 0.12]),
            height,
            jitter(rng, rng.choice([(0.05, 0.05, 0.05), (0.6, 0.6, 0.58), (0.3, 0.3, 0.3)])),
        )
    if rng.random() < 0.25:
        x = rng.uniform(0.5, width - 0.5)
        mesh.box(
            (x, -0.12, height - 1.6),
            (x + 0.3, 0, height - 1.2),
            "paint",
            rng.choice([(0.7, 0.6, 0.1), (0.1, 0.2, 0.5), (0.7, 0.7, 0.7)]),
        )
    if rng.random() < 0.2:
        x = rng.uniform(0.5, width - 0.5)
        mesh.ball((x, -0.35, height - 0.9), (0.3, 0.08, 0.3), "paint", (0.4, 0.4, 0.4), 6)
