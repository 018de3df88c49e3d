"""How the class colours of `lcnb/palettes.py` were found: far apart for every kind of colour vision.

    python -m tools.palette_search 11 19 21

Starts from colours with a meaning (sky is bluish, trees greenish, ...) where there are some, and moves one
colour at a time at random, keeping a move that raises the smallest distance between any two colours, seen
with normal vision, protanopia, deuteranopia and tritanopia. Distances are Euclidean in OKLab (Ottosson,
2020); dichromats are simulated with the matrices of Machado, Oliveira and Fernandes (2009), severity 1.
"""

from __future__ import annotations

import sys

import numpy as np

VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
_TO_LMS = np.array(
    [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
     [0.0883024619, 0.2817188376, 0.6299787005]]
)  # fmt: skip
_TO_LAB = np.array(
    [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
     [0.0259040371, 0.7827717662, -0.8086757660]]
)  # fmt: skip


def oklab(rgb: np.ndarray, vision: str = "normal") -> np.ndarray:
    """(n, 3) sRGB in 0 .. 255 -> (n, 3) OKLab (lightness 0 .. 1) as that kind of vision sees it."""
    s = np.asarray(rgb, dtype=float) / 255
    linear = np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ VISION[vision].T, 0, 1)
    return np.cbrt(seen @ _TO_LMS.T) @ _TO_LAB.T


def smallest_distance(rgb: np.ndarray) -> float:
    """The smallest OKLab distance between any two of the colours, over all kinds of vision."""
    worst = np.inf
    for vision in VISION:
        lab = oklab(rgb, vision)
        apart = np.linalg.norm(lab[:, None] - lab[None], axis=2)
        worst = min(worst, apart[~np.eye(len(lab), dtype=bool)].min())
    return float(worst)


def search(start: np.ndarray, rounds: int, reach: float, seed: int = 0) -> np.ndarray:
    """Move colours at random, at most `reach` from where they started, as long as it helps."""
    rng = np.random.default_rng(seed)
    best, score = start.astype(float).copy(), smallest_distance(start)
    for _ in range(rounds):
        trial = best.copy()
        i = rng.integers(len(trial))
        step = rng.normal(0, 25, 3)
        trial[i] = np.clip(trial[i] + step, np.maximum(0, start[i] - reach), np.minimum(255, start[i] + reach))
        now = smallest_distance(np.round(trial))
        if now >= score:
            best, score = trial, now
    return np.round(best).astype(int)


STREET = {
    "Sky": (160, 205, 240), "Building": (120, 90, 80), "Pole": (245, 235, 150), "Road": (90, 90, 100),
    "Pavement": (190, 180, 190), "Tree": (20, 110, 60), "SignSymbol": (245, 150, 20), "Fence": (200, 140, 100),
    "Car": (20, 60, 160), "Pedestrian": (215, 40, 60), "Bicyclist": (150, 60, 160),
}  # fmt: skip


def main() -> None:
    street = search(np.array(list(STREET.values())), 30_000, reach=35)
    print("street", smallest_distance(street), [tuple(c) for c in street.tolist()])
    for n in map(int, sys.argv[1:]):
        rng = np.random.default_rng(n)
        tries = [search(rng.integers(0, 256, (n, 3)), 20_000, reach=255, seed=t) for t in range(2)]
        best = max(tries, key=smallest_distance)
        print(n, smallest_distance(best), [tuple(c) for c in best.tolist()])


if __name__ == "__main__":
    main()
