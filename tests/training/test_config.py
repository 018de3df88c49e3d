"""Settings that make no run are refused by name before anything is read."""

import pytest

from lcnb.training import TrainConfig, TrainingError


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("steps", [0, -1]), ("cascade_steps", [-1]), ("halo", [-1]), ("arm", ["lcc"]), ("rho", [-0.1, 1.1]),
        ("cascade_lr", [0]), ("batch", [0]), ("log_every", [0]), ("save_every", [0]), ("val_images", [0]),
        ("warmup", [-1]), ("workers", [-1]), ("val_every", [-1]), ("weight_decay", [-0.1, float("nan")]),
        ("width", [0, -1, 5, float("nan")]), ("crop", [(0, 8), (8,), (8, 8, 8), ()]),
        ("scale", [(0, 1), (2, 1), (1,), (1, float("inf")), ()]), ("lr", [0, -1, float("nan"), float("inf")]),
        ("stage_weights", [(1, 1), (1, 1, -1), (1, 1, float("nan")), (), (1, 1, float("inf"))]),
        ("class_weight", [1, 0.5, float("nan")]), ("jaccard", [-1, float("nan"), float("inf")]),
        ("imitate", [-1, float("nan"), float("inf")]), ("teacher", [3]),
        ("dropout", [-0.1, 1]), ("ema", [-0.1, 1, 1.5]),
    ],
)  # fmt: skip
def test_values_out_of_range(name, values):
    for value in values:
        with pytest.raises(TrainingError, match=rf"^{name} .*; got "):
            TrainConfig(**{name: value})


def test_values_at_the_edge_are_taken():
    TrainConfig(steps=1, warmup=0, class_weight=None, ema=0, crop=(1, 1), scale=(1, 1), stage_weights=(1, 0, 0))
