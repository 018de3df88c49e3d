# ruff: noqa: RUF005 (tuples are added to arrays here, not joined)
"""Bicycles, their riders, and people pushing them. Facing +y, wheels on z = 0. (A pram is here too.)"""

import math

import numpy as np

from . import people
from .bodies import dress
from .mesh import Mesh
from .rng import jitter, stream

R = 0.335  # wheel radius
REAR, FRONT = np.array([0, -0.52, R]), np.array([0, 0.53, R])
CRANK, SADDLE, HEADSET = np.array([0, -0.08, 0.29]), np.array([0, -0.27, 0.96]), np.array([0, 0.36, 0.90])
FRAMES = [
    (0.02, 0.02, 0.02),
    (0.30, 0.02, 0.02),
    (0.03, 0.06, 0.25),
    (0.35, 0.35, 0.36),
    (0.03, 0.15, 0.07),
    (0.40, 0.20, 0.03),
    (0.5, 0.5, 0.48),
]


def bicycle(seed, turn=0.0, crank=0.0):
    """A bicycle as a Mesh: two wheels with spokes, frame, bars, saddle, cranks, guards."""
    rng = stream(seed, "bicycle")
    mesh, col = Mesh(), jitter(rng, rng.choice(FRAMES), 0.2)
    dark = (0.02, 0.02, 0.022)
    for hub in (REAR, FRONT):
        a = np.linspace(0, 2 * math.pi, 25)
        rim = hub + R * np.stack([0 * a, np.cos(a), np.sin(a)], 1)
        mesh.tube(rim, 0.021, "rubber", dark, 5, caps=False)
        mesh.tube(hub + (rim - hub) * 0.93, 0.010, "steel", (0.5, 0.5, 0.5), 4, caps=False)
        for t in np.arange(14) * 2 * math.pi / 14:
            mesh.tube(
                [hub + (0.02, 0, 0), hub + R * 0.93 * np.array([0, math.cos(t), math.sin(t)])],
                0.0035,
                "steel",
                (0.4, 0.4, 0.4),
                3,
                caps=False,
            )
        if rng.random() < 0.6:
            g = np.linspace(0.3, 2.9, 9)
            mesh.tube(
                hub + (R + 0.035) * np.stack([0 * g, np.cos(g), np.sin(g)], 1),
                [[0.028, 0.006]] * 9,
                "paint",
                col,
                4,
                side=(1, 0, 0),
            )
    seat = SADDLE - (0, 0.0, 0.04)
    step = rng.random() < 0.4  # a step-through frame
    joint = CRANK + (seat - CRANK) * (0.35 if step else 0.8)
    for a, b, r in (
        (CRANK, seat, 0.018),
        (CRANK, HEADSET - (0, -0.03, 0.12), 0.021),
        (joint, HEADSET - (0, -0.01, 0.05), 0.017),
        (CRANK, REAR, 0.012),
        (CRANK + (seat - CRANK) * 0.8, REAR, 0.010),
        (HEADSET, FRONT, 0.016),
    ):
        mesh.cylinder(a, b, r, "paint", col, 6)
    mesh.tube([HEADSET, HEADSET + (0, -0.01, 0.12)], 0.014, "steel", (0.4, 0.4, 0.4), 5)
    bar = HEADSET + np.array([0, 0.02, 0.13])
    mesh.tube(
        [bar + (-0.29, -0.12, 0.02), bar + (-0.2, 0.0, 0.02), bar, bar + (0.2, 0.0, 0.02), bar + (0.29, -0.12, 0.02)],
        0.013,
        "rubber",
        dark,
        5,
    )
    mesh.tube(
        [SADDLE + (0, -0.14, 0.01), SADDLE + (0, 0, 0.015), SADDLE + (0, 0.15, 0)],
        [[0.085, 0.03], [0.07, 0.03], [0.02, 0.02]],
        "rubber",
        dark,
        7,
        side=(1, 0, 0),
    )
    mesh.cylinder(CRANK + (0.045, 0, 0), CRANK + (0.055, 0, 0), 0.09, "metal", (0.15, 0.15, 0.15), 14)
    for s, f in ((-1, 0), (1, math.pi)):
        pedal = pedal_at(crank + f, s)
        mesh.cylinder(CRANK + (s * 0.06, 0, 0), pedal, 0.012, "metal", (0.3, 0.3, 0.3), 4)
        mesh.box(pedal - (0.05, 0.04, 0.012), pedal + (0.05, 0.04, 0.012), "rubber", dark, bottom=True)
    if rng.random() < 0.35:  # a basket, or panniers
        if rng.random() < 0.5:
            at = HEADSET + (0, 0.17, 0.0)
            mesh.box(at - (0.17, 0.12, 0.10), at + (0.17, 0.12, 0.14), "wood", (0.25, 0.16, 0.08), bottom=True)
        else:
            for s in (-1, 1):
                mesh.box(
                    (s * 0.13 - 0.06, -0.72, 0.42),
                    (s * 0.13 + 0.06, -0.40, 0.72),
                    "cloth",
                    (0.03, 0.03, 0.035),
                    bottom=True,
                )
    mesh.ball((0, -0.60, 0.72), (0.03, 0.02, 0.03), "lamp" if rng.random() < 0.3 else "gloss", (0.5, 0.01, 0.01), 4)
    return mesh


def pedal_at(angle, side):
    return CRANK + np.array([side * 0.11, 0.17 * math.cos(angle), 0.17 * math.sin(angle)])


def rider(seed, phase):
    """Joints and outfit of somebody riding, cranks at ``phase``."""
    rng = stream(seed, "rider")
    o = people.outfit(rng)
    o["cut"] = "jacket" if rng.random() < 0.75 else "shirt"
    o["bag"] = "rucksack" if rng.random() < 0.35 else "none"
    o["head"] = "helmet" if rng.random() < 0.45 else "bare"
    if rng.random() < 0.2:
        o["top"] = people.HIVIS
    lean = rng.uniform(0.30, 0.75)  # upright to sporty
    up = np.array([0, math.sin(lean), math.cos(lean)])
    pelvis = SADDLE + (0, 0.02, 0.09)
    chest, neck = pelvis + up * 0.36, pelvis + up * 0.55
    head = neck + np.array([0, math.sin(lean * 0.4), math.cos(lean * 0.4)]) * 0.15 + (0, 0.02, 0)
    j = {"pelvis": pelvis, "chest": chest, "neck": neck, "head": head}
    for side, s, f in (("l", -1, 0.0), ("r", 1, math.pi)):
        hip = pelvis + (s * 0.09, 0.0, -0.02)
        ankle = pedal_at(phase + f, s) + (0, -0.06, 0.09)
        knee = bent_knee(hip, ankle)
        shoulder = neck + (s * 0.185, 0, -0.05)
        hand = HEADSET + (s * 0.27, -0.07, 0.18)
        j |= {
            f"hip_{side}": hip,
            f"knee_{side}": knee,
            f"ankle_{side}": ankle,
            f"foot_{side}": -0.1,
            f"shoulder_{side}": shoulder,
            f"hand_{side}": hand,
            f"elbow_{side}": people.bent(shoulder, hand, 0.30, 0.27, (s * 0.6, -0.2, -1)),
        }
    return j, o


def bent_knee(hip, ankle):
    return people.bent(hip, ankle, 0.43, 0.43, (0, 1, 0.3))


def cyclist(seed, phase=0.0):
    j, o = rider(seed, phase)
    return bicycle(seed, crank=phase).join(dress(j, o))


def pusher(seed, phase=0.0):
    """Somebody walking beside a bicycle with a hand on the bars."""
    rng = stream(seed, "pusher")
    o = people.outfit(rng)
    j = people.standing(stream(seed, "pose"), phase)
    off = np.array([-0.52, 0.10, 0])
    for _k, v in j.items():
        if np.ndim(v):
            v += off
    j["hand_r"] = HEADSET + (-0.27, -0.08, 0.18)
    j["elbow_r"] = people.bent(j["shoulder_r"], j["hand_r"], 0.30, 0.26, (0.2, -0.6, -1))
    return bicycle(seed).join(dress(j, o))


def pram(seed):
    rng = stream(seed, "pram")
    mesh, col = Mesh(), jitter(rng, rng.choice(people.DARK + [(0.2, 0.03, 0.05)]), 0.2)
    for x in (-0.24, 0.24):
        for y in (-0.3, 0.32):
            mesh.cylinder((x - 0.02, y, 0.12), (x + 0.02, y, 0.12), 0.12, "rubber", (0.03, 0.03, 0.03), 10)
        mesh.tube([(x, 0.32, 0.14), (x, -0.1, 0.6), (x, -0.55, 1.02)], 0.014, "metal", (0.3, 0.3, 0.3), 5)
        mesh.tube([(x, -0.3, 0.14), (x, 0.1, 0.55)], 0.014, "metal", (0.3, 0.3, 0.3), 5)
    mesh.tube([(-0.24, -0.55, 1.02), (0.24, -0.55, 1.02)], 0.016, "rubber", (0.03, 0.03, 0.03), 5)
    mesh.ball((0, 0.08, 0.55), (0.23, 0.36, 0.22), "cloth", col, 7, keep=lambda u: u[2] < 0.25)
    mesh.ball((0, -0.08, 0.62), (0.24, 0.26, 0.32), "cloth", col, 7, keep=lambda u: u[1] < 0.2 and u[2] > -0.2)
    return mesh
