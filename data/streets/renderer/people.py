# ruff: noqa: RUF005 (tuples are added to arrays here, not joined)
"""People: a skeleton in some pose, dressed with tapered tubes. Facing +y, feet at z = 0."""

import math

import numpy as np

from .bodies import dress
from .mesh import Mesh
from .rng import jitter, pick, stream

SKIN = [
    (0.55, 0.34, 0.25),
    (0.62, 0.42, 0.32),
    (0.48, 0.29, 0.20),
    (0.20, 0.11, 0.07),
    (0.10, 0.055, 0.035),
    (0.36, 0.21, 0.13),
]
HAIR = [
    (0.02, 0.015, 0.01),
    (0.06, 0.035, 0.02),
    (0.12, 0.07, 0.03),
    (0.28, 0.19, 0.09),
    (0.30, 0.29, 0.28),
    (0.17, 0.06, 0.02),
]
DARK = [(0.02, 0.02, 0.025), (0.03, 0.04, 0.08), (0.05, 0.045, 0.04), (0.08, 0.08, 0.085), (0.04, 0.05, 0.035)]
TOPS = DARK * 2 + [
    (0.30, 0.28, 0.25),
    (0.35, 0.03, 0.03),
    (0.06, 0.12, 0.30),
    (0.55, 0.54, 0.52),
    (0.20, 0.14, 0.08),
    (0.10, 0.20, 0.12),
    (0.40, 0.30, 0.16),
    (0.28, 0.10, 0.16),
    (0.16, 0.22, 0.30),
    (0.22, 0.22, 0.22),
]
HIVIS = (0.60, 0.75, 0.05)


def outfit(rng):
    """What somebody wears and carries."""
    woman = rng.random() < 0.5
    return {
        "woman": woman,
        "skin": jitter(rng, rng.choice(SKIN), 0.15),
        "hair": jitter(rng, rng.choice(HAIR), 0.2),
        "long": woman and rng.random() < 0.65,
        "top": jitter(rng, rng.choice(TOPS), 0.3),
        "legs": jitter(
            rng,
            rng.choice(DARK + [(0.10, 0.13, 0.22), (0.14, 0.17, 0.25), (0.25, 0.21, 0.15), (0.12, 0.12, 0.12)]),
            0.3,
        ),
        "shoes": rng.choice([(0.02, 0.02, 0.02), (0.05, 0.03, 0.02), (0.4, 0.4, 0.4)]),
        "cut": pick(rng, {"jacket": 0.5, "coat": 0.24, "shirt": 0.16, "skirt": 0.10 if woman else 0.0}),
        "head": pick(rng, {"bare": 0.8, "hat": 0.1, "hood": 0.1}),
        "bulk": rng.uniform(0.9, 1.18),
        "bag": pick(rng, {"none": 0.5, "shoulder": 0.2, "rucksack": 0.16, "hand": 0.14}),
        "bagcol": jitter(
            rng, rng.choice(DARK + [(0.5, 0.48, 0.45), (0.35, 0.05, 0.05), (0.45, 0.3, 0.1), (0.7, 0.7, 0.68)]), 0.2
        ),
    }


def bent(a, b, upper, lower, bend):
    """The joint between two bones from a to b, bent towards ``bend`` (two-bone inverse kinematics)."""
    way = b - a
    far = min(np.linalg.norm(way), (upper + lower) * 0.999)
    way = way / (np.linalg.norm(way) + 1e-9)
    along = (upper**2 - lower**2 + far**2) / (2 * far)
    side = np.asarray(bend, float) - way * np.dot(bend, way)
    side /= np.linalg.norm(side) + 1e-9
    return a + way * along + side * math.sqrt(max(upper**2 - along**2, 0))


def standing(rng, phase=None):
    """Joints of somebody standing (phase None) or walking, for a height of 1.75 m."""
    walking = phase is not None
    lean = 0.05 if walking else 0.0
    j = {
        "pelvis": np.array([0, 0, 0.95]),
        "chest": np.array([0, lean, 1.30]),
        "neck": np.array([0, lean * 1.3, 1.49]),
        "head": np.array([0, lean * 1.6 + 0.02, 1.635]),
    }
    swing = math.radians(rng.uniform(22, 30)) if walking else 0
    for side, s in (("l", -1), ("r", 1)):
        ph = (phase or 0) + (math.pi if s > 0 else 0)
        hip = np.array([s * 0.095, 0, 0.93])
        a = swing * math.sin(ph) if walking else rng.uniform(-0.08, 0.08)
        flex = (0.12 + 0.95 * max(0, math.cos(ph)) ** 1.5 * (0.5 - 0.5 * math.sin(ph - 0.6))) if walking else 0.03
        knee = hip + 0.43 * np.array([0, math.sin(a), -math.cos(a)])
        ankle = knee + 0.42 * np.array([0, math.sin(a - flex), -math.cos(a - flex)])
        j |= {
            f"hip_{side}": hip,
            f"knee_{side}": knee,
            f"ankle_{side}": ankle,
            f"foot_{side}": a - flex if walking else 0.0,
        }
        shoulder = np.array([s * 0.172, lean * 1.2, 1.425])
        b = -0.8 * a if walking else rng.uniform(-0.1, 0.15)
        elbow = shoulder + 0.30 * np.array([s * 0.16, math.sin(b), -math.cos(b)])
        fold = b + rng.uniform(0.15, 0.45)
        j |= {
            f"shoulder_{side}": shoulder,
            f"elbow_{side}": elbow,
            f"hand_{side}": elbow + 0.26 * np.array([-s * 0.04, math.sin(fold), -math.cos(fold)]),
        }
    if rng.random() < 0.16:  # a phone, a cup, folded arms
        s = rng.choice("lr")
        j[f"hand_{s}"] = np.array([0.05 * (1 if s == "r" else -1), 0.33, rng.choice([1.2, 1.3, 1.5])])
        j[f"elbow_{s}"] = bent(j[f"shoulder_{s}"], j[f"hand_{s}"], 0.30, 0.26, (0.3 if s == "r" else -0.3, -0.4, -1))
    low = min(j["ankle_l"][2], j["ankle_r"][2]) - 0.085
    for _k, v in j.items():
        if np.ndim(v):
            v[2] -= low
    return j


def person(seed, phase=None, child=False, clothes=None):
    """One dressed person as a Mesh. ``phase`` is the stage of the stride in radians; None stands still."""
    rng = stream(seed, "person")
    o = clothes or outfit(rng)
    j = standing(stream(seed, "pose"), phase)
    height = rng.uniform(0.55, 0.82) if child else rng.gauss(0.965 if o["woman"] else 1.01, 0.035)
    mesh = dress(j, o)
    scale = np.diag([height * (1.08 if child else 1), height * (1.08 if child else 1), height, 1.0])
    return Mesh().join(mesh, scale)
