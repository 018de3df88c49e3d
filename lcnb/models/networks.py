"""The networks that `lcnb train`, `lcnb.save` and `lcnb.load` know by name.

Shape letters: K classes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

from lcnb.models import lite
from lcnb.models.cascade import LayerCascade
from lcnb.models.irnet import IRNetConfig
from lcnb.models.variants import VARIANTS, irnet_lc


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
