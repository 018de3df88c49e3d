"""The networks that `lcnb train`, `lcnb.save` and `lcnb.load` can build: by name, or with a function of the user's.

Shape letters: B images, K classes, H, W pixels, h, w cells, S stages.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from lcnb.errors import LcnbError, WeightsError, first_line
from lcnb.models import lite
from lcnb.models.cascade import LayerCascade
from lcnb.models.irnet import IRNetConfig
from lcnb.models.trial import evaluating
from lcnb.models.variants import VARIANTS, irnet_lc

Builder = Callable[..., LayerCascade]
"""A function of the user's that makes a cascade, such as `def build(num_classes): return lcnb.split(...)`."""
BUILT = "built"
"""What `config["network"]` calls the network of a builder."""
SIDE = 64
"""Pixels a side of the image that a network is tried on, as for `split`."""


@dataclass(frozen=True)
class Network:
    """A network that can be built from a name and its knobs.

    Attributes:
        stored: its name in a weights file, `config["network"]`.
        build: (num_classes, **knobs) -> a cascade with random weights.
        knobs: the dataclass of its knobs.
        mean, std: of its RGB input.
    """

    stored: str
    build: Callable[..., LayerCascade]
    knobs: type[IRNetConfig] | type[lite.LiteConfig]
    mean: Sequence[float]
    std: Sequence[float]

    def has(self, knob: str) -> bool:
        """Whether it has a knob of this name."""
        return knob in {field.name for field in fields(self.knobs)}


def _irnet(variant: str) -> Network:
    of = VARIANTS[variant]
    return Network(of.name, functools.partial(irnet_lc, variant=variant), IRNetConfig, of.mean, of.std)


NETWORKS = {
    "irnet": _irnet("paper"),
    "irnet-timm": _irnet("timm"),
    "lite0": Network("lite0", lite.lite_lc, lite.LiteConfig, lite.MEAN, lite.STD),
}
"""By what `--network` calls them."""


def stored_network(name: object) -> Network | None:
    """The network that a weights file calls by this name, or None."""
    return next((network for network in NETWORKS.values() if network.stored == name), None)


def builder_name(builder: Builder | str) -> str:
    """ "module:function", as files keep it.

    Raises:
        WeightsError: no other process could find the function by its name: it is a lambda, say, or a local function.
    """
    if isinstance(builder, str):
        return builder
    module, name = getattr(builder, "__module__", None), getattr(builder, "__qualname__", "")
    if getattr(sys.modules.get(str(module)), name, None) is not builder:
        raise WeightsError(
            f"the builder {builder!r:.100} has no name by which it could be found again; write it with def, at the top "
            "of a module or of a notebook"
        )
    return f"{module}:{name}"


def imported(builder: Builder | str) -> Builder:
    """The function itself; if it is a name, its module is imported, which runs that code.

    Raises:
        WeightsError: it cannot be imported, or is no function.
    """
    if not isinstance(builder, str):
        return builder
    module, _, name = builder.partition(":")
    try:
        return getattr(import_module(module), name)
    except Exception as error:  # whatever the module does when it is imported
        raise WeightsError(
            f"the builder {builder!r} cannot be imported ({type(error).__name__}: {first_line(error)}); it is named "
            "module:function, and its module is looked for in the working directory and among installed packages"
        ) from error


def built(builder: Builder | str, arguments: Mapping[str, Any]) -> LayerCascade:
    """What a builder returns for these arguments; `config` says how to make it again.

    Raises:
        WeightsError: it cannot be imported or called, or returns no cascade that labels an image.
    """
    function = imported(builder)
    name = f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', '')}"
    call = f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"
    try:
        cascade = function(**arguments)
    except LcnbError:
        raise
    except Exception as error:  # whatever foreign code does
        raise WeightsError(f"{call} fails: {type(error).__name__}: {first_line(error)}") from error
    if not isinstance(cascade, LayerCascade):
        raise WeightsError(f"{call} returns a {type(cascade).__name__}, not a LayerCascade; lcnb.split makes one")
    cascade.config = recipe_of(cascade, name, arguments)
    return cascade


def recipe_of(cascade: LayerCascade, builder: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The `config` of a network that a builder makes.

    Raises:
        WeightsError: it cannot label an image.
    """
    return {
        "network": BUILT, "builder": builder, "arguments": dict(arguments), "num_classes": trial(cascade)[-1].shape[1],
        **{name: getattr(cascade, name).flatten().tolist() for name in ("mean", "std")},
    }  # fmt: skip


def trial(cascade: LayerCascade) -> list[Tensor]:
    """What the S stages say of a small image of noise in eval mode: (1, K, h, w) each.

    Raises:
        WeightsError: the network takes no such image.
    """
    x = torch.rand(1, cascade.mean.numel(), SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    try:
        with evaluating(cascade):
            return cascade.all_stages(x.to(cascade.mean.device))
    except Exception as error:  # whatever foreign code does
        raise WeightsError(f"the network labels no image of {SIDE}x{SIDE} pixels: {first_line(error)}") from error
