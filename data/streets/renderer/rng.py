"""Named random streams: every object draws from its own, so leaving one out never changes another."""

import random

import numpy as np


def stream(seed, *names):
    """A ``random.Random`` fixed by a seed and names (string seeding is stable across runs and machines)."""
    return random.Random("/".join(str(part) for part in (seed, *names)))


def array_stream(seed, *names):
    """The same for numpy: a generator seeded from the named stream."""
    return np.random.default_rng(stream(seed, *names).getrandbits(63))


def pick(rng, weights):
    """Draw a key of a ``{key: weight}`` table."""
    keys = list(weights)
    return rng.choices(keys, [weights[k] for k in keys])[0]


def jitter(rng, colour, amount=0.1):
    """A colour shifted a little in brightness, and less in hue."""
    gain = 1 + rng.uniform(-amount, amount)
    return tuple(max(0.0, c * gain * (1 + rng.uniform(-amount, amount) / 3)) for c in colour)
