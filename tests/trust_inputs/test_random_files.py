"""Files of random bytes, and good files with a few bytes changed: a sentence or a result, nothing else."""

import contextlib

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lcnb
from lcnb.datasets import read_image, read_mask
from lcnb.datasets.images import read_photo
from lcnb.errors import DataError, WeightsError
from tests.trust_inputs.files import JPEG, PNG, RGB, encoded

GOOD = [PNG, JPEG, encoded(RGB, "WEBP"), encoded(RGB, "GIF"), encoded(RGB, "TIFF"), encoded(RGB, "BMP")]


def spoilt(good):
    """Strategy: the file cut off, or with some bytes replaced."""
    changes = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=6)

    def change(content, where, keep):
        found = bytearray(content)
        for place, value in where:
            found[place % len(found)] = value
        return bytes(found[:keep] if keep is not None else found)

    return st.builds(change, good, changes, st.none() | st.integers(0, 3000))


def test_random_images(tmp_path):
    """Random bytes, and images with a few bytes changed or cut off: pixels, or one sentence."""
    path = tmp_path / "a.png"

    @settings(max_examples=200, deadline=None, database=None)
    @given(st.binary(max_size=100) | spoilt(st.sampled_from(GOOD)))
    def one(content):
        path.write_bytes(content)
        for read in (read_photo, read_image, read_mask):
            with contextlib.suppress(DataError):
                assert read(path).dtype == torch.uint8

    one()


def test_random_weights(data, tmp_path):
    """Random bytes, and weights with a few bytes changed or cut off: a network of finite numbers, or one sentence"""
    path = tmp_path / "a.safetensors"
    good = (data / "weights" / "tiny" / "model.safetensors").read_bytes()

    @settings(max_examples=40, deadline=None, database=None)
    @given(st.binary(max_size=100) | spoilt(st.just(good)))
    def one(content):
        path.write_bytes(content)
        with contextlib.suppress(WeightsError):
            assert all(bool(p.isfinite().all()) for p in lcnb.load(path).parameters())

    one()
