"""Plain posts."""

from collections import defaultdict

from .classes import POLE
from .mesh import Mesh
from .rng import jitter

STEELS = [
    (0.33, 0.34, 0.35),
    (0.22, 0.23, 0.24),
    (0.45, 0.46, 0.46),
    (0.05, 0.055, 0.06),
    (0.04, 0.09, 0.06),
    (0.15, 0.12, 0.09),
]


def post(rng, height, radius, col=None):
    parts = defaultdict(Mesh)
    parts[POLE].tube(
        [(0, 0, -0.2), (0, 0, height)], [radius, radius * 0.85], "paint", col or jitter(rng, rng.choice(STEELS), 0.2), 8
    )
    return parts
