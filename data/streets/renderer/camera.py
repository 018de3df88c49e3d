"""The camera: a dashboard or roof camera of a car that drives on the left, sometimes a person on the pavement."""

import math
from dataclasses import dataclass

import numpy as np

from .mesh import rotation
from .rng import stream


@dataclass
class Pose:
    s: float
    d: float
    height: float
    yaw: float  # relative to the street, radians, counter-clockwise
    pitch: float
    roll: float
    fov: float  # horizontal, radians
    bonnet: bool = False

    def sees(self, s, d, margin=0.02):
        """Roughly: is this place of a straight street in view?"""
        return s > self.s and abs(math.atan2(d - self.d, s - self.s) + self.yaw) < self.fov / 2 + margin


def draw(seed, street):
    rng = stream(seed, "camera")
    on_pavement = rng.random() < 0.09
    if on_pavement:
        side = rng.choice([-1, 1])
        d = side * (street.half + street.pave[side] * rng.uniform(0.2, 0.6))
        yaw = side * math.radians(rng.uniform(0, 14))
    else:
        d = -street.half * rng.uniform(0.32, 0.55) if rng.random() < 0.85 else rng.uniform(-0.5, 0.5) * street.half
        yaw = math.radians(rng.gauss(0, 3.5))
    height = rng.uniform(1.2, 1.7)
    return Pose(
        0.0,
        d,
        height,
        yaw,
        math.radians(rng.gauss(0.3, 1.6)),
        math.radians(rng.gauss(0, 0.8)),
        math.radians(rng.uniform(50, 70)),
        not on_pavement and rng.random() < 0.07,
    )


def drive(t, street, speed=7.0):
    """The camera at time t of the drive: forward at town speed, with a little sway."""

    def wave(f, p):
        return math.sin(2 * math.pi * f * t + p)

    return Pose(
        speed * t,
        -street.half * 0.45 + 0.06 * wave(0.11, 0.4),
        1.42 + 0.012 * wave(1.1, 0),
        math.radians(0.5 * wave(0.13, 1) + 0.2 * wave(0.5, 2)),
        math.radians(0.3 + 0.25 * wave(0.9, 0.5) + 0.12 * wave(1.9, 1)),
        math.radians(0.25 * wave(0.4, 0.2)),
        math.radians(58),
    )


def place(pose, street):
    """World position of the lens and its yaw."""
    at = street.at(pose.s, pose.d, pose.height + (0.11 if abs(pose.d) > street.half else 0))
    slope = (street.at(pose.s + 1, pose.d)[2] - street.at(pose.s - 1, pose.d)[2]) / 2
    return at, street.heading(pose.s) + pose.yaw, pose.pitch + math.atan(slope)


def mount(scene, pose, street):
    import bpy
    from mathutils import Matrix

    at, yaw, pitch = place(pose, street)
    data = bpy.data.cameras.new("camera")
    data.angle, data.clip_start, data.clip_end = pose.fov, 0.1, 900
    ob = bpy.data.objects.new("camera", data)
    turn = rotation(yaw, pitch, pose.roll) @ np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])  # Blender looks down -z
    m = np.eye(4)
    m[:3, :3], m[:3, 3] = turn, at
    ob.matrix_world = Matrix(m.tolist())
    scene.collection.objects.link(ob)
    scene.camera = ob
    return m
