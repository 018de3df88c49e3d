"""Collecting geometry in numpy and handing it to Blender in one go (operators would be far slower).

A ``Mesh`` is a list of chunks; a chunk is an array of vertices, equal-sized faces, one texture coordinate and
one colour per face corner, and a material name. Texture coordinates are metres; the material knows its tile size.
"""

import math

import bpy
import numpy as np

from . import materials

WHITE = (1.0, 1.0, 1.0)


def rotation(yaw=0.0, pitch=0.0, roll=0.0):
    """3x3 matrix: roll about y, then pitch about x, then yaw about z (y is forward)."""
    cz, sz, cx, sx, cy, sy = (
        *(f(yaw) for f in (math.cos, math.sin)),
        math.cos(pitch),
        math.sin(pitch),
        math.cos(roll),
        math.sin(roll),
    )
    z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    return z @ x @ y


def pose(x=0.0, y=0.0, z=0.0, yaw=0.0, pitch=0.0, roll=0.0, scale=1.0):
    """4x4 placement matrix."""
    m = np.eye(4)
    m[:3, :3] = rotation(yaw, pitch, roll) * scale
    m[:3, 3] = (x, y, z)
    return m


class Mesh:
    def __init__(self):
        self.chunks = []

    def add(self, verts, faces, mat, col=WHITE, uv=None, smooth=False):
        """Add a chunk. ``uv`` is per corner (faces x corners x 2); left out, it is planar in metres."""
        verts = np.asarray(verts, float).reshape(-1, 3)
        faces = np.asarray(faces, int)
        if uv is None:
            uv = _planar_uv(verts, faces)
        col = np.broadcast_to(np.asarray(col, float), (*faces.shape, 3)) if np.ndim(col) < 3 else np.asarray(col)
        self.chunks.append((verts, faces, mat, col, np.asarray(uv, float), smooth))

    def quad(self, a, b, c, d, mat, col=WHITE, uv=None):
        """One four-cornered face; ``uv`` may be a box (u0, v0, u1, v1) for an atlas cell."""
        if uv is not None and np.ndim(uv) == 1:
            u0, v0, u1, v1 = uv
            uv = ((u0, v0), (u1, v0), (u1, v1), (u0, v1))
        self.add((a, b, c, d), ((0, 1, 2, 3),), mat, col, None if uv is None else (uv,))

    def box(self, lo, hi, mat, col=WHITE, bottom=False):
        """An axis-aligned box between two corners; its underside is left out unless asked for."""
        (x0, y0, z0), (x1, y1, z1) = lo, hi
        v = [
            (x0, y0, z0),
            (x1, y0, z0),
            (x1, y1, z0),
            (x0, y1, z0),
            (x0, y0, z1),
            (x1, y0, z1),
            (x1, y1, z1),
            (x0, y1, z1),
        ]
        f = [(0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7), (4, 5, 6, 7)] + ([(3, 2, 1, 0)] if bottom else [])
        self.add(v, f, mat, col)

    def tube(self, points, radii, mat, col=WHITE, sides=8, caps=True, flat=1.0, side=None):
        """A tube along points. ``flat`` squeezes it across ``side`` (an axis kept along the whole tube)."""
        p = np.asarray(points, float)
        r = np.broadcast_to(np.asarray(radii, float), (len(p),) if np.ndim(radii) < 2 else (len(p), 2))
        r = np.stack([r, r * flat], 1) if r.ndim == 1 else r
        t = np.gradient(p, axis=0)
        t /= np.linalg.norm(t, axis=1, keepdims=True) + 1e-9
        ref = np.asarray(side if side is not None else ((1, 0, 0) if abs(t[0, 0]) < 0.8 else (0, 1, 0)), float)
        u = ref - (t @ ref)[:, None] * t
        u /= np.linalg.norm(u, axis=1, keepdims=True) + 1e-9
        w = np.cross(t, u)
        a = np.arange(sides) * 2 * math.pi / sides
        ring = (
            p[:, None]
            + r[:, None, :1] * np.cos(a)[None, :, None] * u[:, None]
            + r[:, None, 1:] * np.sin(a)[None, :, None] * w[:, None]
        )
        self.loft(ring, mat, col, closed=True, caps=caps)

    def loft(self, rings, mat, col=WHITE, closed=False, caps=False, smooth=True):
        """A skin over rings (k x n x 3). ``mat`` may be a function (ring, segment) -> name or None for a hole."""
        rings = np.asarray(rings, float)
        k, n = rings.shape[:2]
        i, j = np.meshgrid(np.arange(k - 1), np.arange(n if closed else n - 1), indexing="ij")
        i, j = i.ravel(), j.ravel()
        faces = np.stack([i * n + j, i * n + (j + 1) % n, (i + 1) * n + (j + 1) % n, (i + 1) * n + j], 1)
        verts = rings.reshape(-1, 3)
        if callable(mat):
            names = np.array([mat(a, b) or "" for a, b in zip(i, j, strict=False)])
            for name in sorted(set(names) - {""}):
                self.add(verts, faces[names == name], name, col(name) if callable(col) else col, smooth=smooth)
        else:
            self.add(verts, faces, mat, col, smooth=smooth)
            if caps:
                for ring in (rings[0, ::-1], rings[-1]):
                    self.add(ring, (tuple(range(n)),), mat, col, uv=np.zeros((1, n, 2)))

    def cylinder(self, a, b, radius, mat, col=WHITE, sides=10):
        self.tube((a, b), radius, mat, col, sides)

    def ball(self, centre, radii, mat, col=WHITE, n=8, keep=None):
        """An ellipsoid; ``keep(unit directions) -> bool`` leaves part of it out (hair, domes)."""
        th = np.linspace(0.02, math.pi - 0.02, n)[:, None]
        ph = np.arange(n + 4)[None] * 2 * math.pi / (n + 4)
        unit = np.stack([np.sin(th) * np.cos(ph), np.sin(th) * np.sin(ph), np.cos(th) * np.ones_like(ph)], -1)
        rings = np.asarray(centre, float) + unit * np.broadcast_to(np.asarray(radii, float), (3,))
        where = (lambda i, j: mat if keep(unit[i, j]) else None) if keep else mat
        self.loft(rings[::-1], (lambda i, j: where(n - 1 - i, j)) if keep else mat, col, closed=True)

    def join(self, other, matrix=None):
        """Add a copy of another mesh, moved by a 4x4 matrix."""
        for verts, faces, mat, col, uv, smooth in other.chunks:
            if matrix is not None:
                verts = verts @ matrix[:3, :3].T + matrix[:3, 3]
            self.chunks.append((verts, faces, mat, col, uv, smooth))
        return self

    def to_blender(self, name, sharp=62.0):
        """Make the Blender mesh; smooth chunks keep edges sharper than ``sharp`` degrees."""
        me = bpy.data.meshes.new(name)
        mats = sorted({c[2] for c in self.chunks})
        slot = {m: i for i, m in enumerate(mats)}
        sizes = np.concatenate([np.full(len(c[1]), c[1].shape[1]) for c in self.chunks])
        offset = np.cumsum([0] + [len(c[0]) for c in self.chunks])
        loops = np.concatenate([(c[1] + o).ravel() for c, o in zip(self.chunks, offset, strict=False)])
        me.vertices.add(int(offset[-1]))
        me.vertices.foreach_set("co", np.concatenate([c[0] for c in self.chunks]).astype(np.float32).ravel())
        me.loops.add(len(loops))
        me.loops.foreach_set("vertex_index", loops.astype(np.int32))
        me.polygons.add(len(sizes))
        me.polygons.foreach_set("loop_start", (np.cumsum(sizes) - sizes).astype(np.int32))
        me.polygons.foreach_set(
            "material_index", np.concatenate([np.full(len(c[1]), slot[c[2]]) for c in self.chunks]).astype(np.int32)
        )
        me.update(calc_edges=True)
        me.polygons.foreach_set("use_smooth", np.concatenate([np.full(len(c[1]), c[5]) for c in self.chunks]))
        uv = np.concatenate([(c[4] * materials.tiling(c[2])).reshape(-1, 2) for c in self.chunks])
        me.uv_layers.new(name="UVMap").data.foreach_set("uv", uv.astype(np.float32).ravel())
        col = np.concatenate([c[3].reshape(-1, 3) for c in self.chunks])
        rgba = np.concatenate([col, np.ones((len(col), 1))], 1).astype(np.float32)
        me.color_attributes.new("Col", "FLOAT_COLOR", "CORNER").data.foreach_set("color", rgba.ravel())
        for m in mats:
            me.materials.append(materials.get(m))
        if any(c[5] for c in self.chunks):
            me.set_sharp_from_angle(angle=math.radians(sharp))
        return me


def _planar_uv(verts, faces):
    """Metres along the face: u horizontal and v up for walls, x and y for level faces."""
    p = verts[faces]
    normal = np.cross(p[:, 1] - p[:, 0], p[:, -1] - p[:, 0])
    ax = np.abs(normal).argmax(1)
    u = np.where((ax == 0)[:, None], p[..., 1], p[..., 0])
    v = np.where((ax == 2)[:, None], p[..., 1], p[..., 2])
    return np.stack([u, v], -1)
