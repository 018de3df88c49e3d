"""What `lcnb bench` measures on: weights, pictures, exits."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from lcnb.cli.options import UsageError, blamed_on

if TYPE_CHECKING:
    from torch import Tensor

    from lcnb.benchmark.inputs import Inputs
    from lcnb.benchmark.model import ModelSettings
    from lcnb.datasets import SegmentationDataset
    from lcnb.models import LayerCascade
    from lcnb.training import TrainConfig


def dtype_of(arguments: argparse.Namespace) -> Any:
    """The torch dtype asked for."""
    import torch

    return getattr(torch, arguments.dtype)


def load_cascade(arguments: argparse.Namespace) -> LayerCascade:
    """The weights named, or a random IRNet."""
    import torch

    import lcnb

    if arguments.weights is not None:
        return lcnb.load(arguments.weights)
    if arguments.rho is not None or arguments.dataset is not None:
        raise UsageError("--rho and --dataset need --weights: random weights have no true masks; use --exits")
    arguments.exits = arguments.exits or (0.23, 0.29)
    torch.manual_seed(arguments.seed)
    with blamed_on("--width"):
        return lcnb.irnet_lc(arguments.classes, arguments.width).eval()


def load_images(arguments: argparse.Namespace, cascade: LayerCascade) -> list[Tensor] | None:
    """The images of the data set, (3, H, W) uint8 each; None where exits are planned."""

    if arguments.exits is not None:
        if arguments.dataset is not None or arguments.rho is not None:
            raise UsageError("--exits plans the masks, so it takes neither --dataset nor --rho")
        return None
    dataset = load_split(arguments, cascade)
    return [dataset[i][0] for i in range(min(arguments.limit, len(dataset)))]


def load_split(arguments: argparse.Namespace, cascade: LayerCascade) -> SegmentationDataset:
    """The split of the data set asked for, or of the one that the weights were trained on."""
    import lcnb

    arguments.dataset = arguments.dataset or cascade.meta.get("dataset")
    if arguments.dataset is None:
        raise UsageError(f"{arguments.weights} does not say what it was trained on; name a data set with --dataset")
    return lcnb.load_dataset(arguments.dataset, arguments.split)


def rho_of(arguments: argparse.Namespace, cascade: LayerCascade) -> Any:
    """One threshold, or one each."""
    given = cascade.rho if arguments.rho is None else arguments.rho
    return given[0] if isinstance(given, list) and len(given) == 1 else given


def inputs_of(arguments: argparse.Namespace, images: list[Tensor] | None, batch: int, device: str) -> Inputs:
    """Batches of images, or of noise where exits are planned."""
    from lcnb.benchmark.inputs import Inputs, batched, noise

    if images is None:
        return Inputs([noise(batch, arguments.size[0], arguments.size[1], arguments.seed)], device, arguments.resident)
    with blamed_on("--batch"):
        return Inputs(batched(images, batch), device, arguments.resident)


def settings_of(arguments: argparse.Namespace, cascade: LayerCascade, batch: int, rho: Any) -> ModelSettings:
    """How the cascade is run at this batch."""
    from lcnb.benchmark.masks import open_after
    from lcnb.benchmark.model import ModelSettings

    still_open = None
    if arguments.exits is not None:
        grid = (batch, *(-(-side // 8) for side in arguments.size))
        still_open = tuple(open_after(arguments.exits, grid, arguments.mask, arguments.seed))
    halo = cascade.halo if arguments.halo is None else arguments.halo
    return ModelSettings(rho, still_open, halo, dtype_of(arguments), arguments.path, arguments.compile)


def crops(
    arguments: argparse.Namespace, dataset: SegmentationDataset, rho: Any, batch: int, device: str, count: int
) -> tuple[TrainConfig, list[tuple[Tensor, Tensor]]]:
    """Settings of a training run, and `count` batches of what it would see."""
    import torch

    from lcnb.training import TrainConfig
    from lcnb.training.stream import AugmentedStream

    config = TrainConfig(
        dataset=arguments.dataset, split=arguments.split, batch=batch, steps=count, crop=tuple(arguments.size),
        rho=rho, amp=arguments.dtype == "bfloat16", seed=arguments.seed,
    )  # fmt: skip
    stream = AugmentedStream(dataset, config)
    samples = [[stream[n * batch + k] for k in range(batch)] for n in range(count)]
    return config, [tuple(torch.stack(part).to(device) for part in zip(*s, strict=True)) for s in samples]  # type: ignore[misc]
