"""`lcnb bench systems`: the networks of the talk's table, in one run, as ratios to DeepLab-v2.

Shape letters: B images, H, W pixels.

All have random weights and the same images; all give labels at full size. The baselines and IRNet run dense and
eager (batch-norm folded, channels-last); LC is the fused cascade with the exits of the paper's table 1, in blobs.
Printed figures stand next to ours and are called printed: they come from other hardware and software.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lcnb.benchmark.inputs import Inputs
from lcnb.benchmark.masks import open_after
from lcnb.benchmark.protocol import Opponent, Protocol, Times, measure
from lcnb.benchmark.runners import Normalised, labels_of, plain
from lcnb.clock import stopwatch_for
from lcnb.models import CascadeCost, CascadeRuns, LayerCascade, cascade_cost, irnet_lc
from lcnb.models.baselines import BASELINES, DPN, baseline
from lcnb.models.cost import count_macs
from lcnb.models.exits import PLANNED_RHO, PlannedExits
from lcnb.models.folding import folded
from lcnb.reproduction.paper import SPEEDS, T3, exits_printed

REFERENCE = "deeplab-v2"
DPN_UNARY = "dpn-unary"
LC_EXITS = {"lc": exits_printed(0.985), "lc-fast": exits_printed(0.8)}
"""Fraction of all cells that exits at stages 1 and 2."""
TITLES = {
    "fcn-8s": "FCN-8s",
    "segnet": "SegNet",
    "dpn": "DPN",
    DPN_UNARY: "DPN, unary network only",
    "adelaide": "Adelaide",
    REFERENCE: "DeepLab-v2",
    "irnet": "IRNet, one head",
    "lc": "LC",
    "lc-fast": "LC (fast)",
    "lc-exits": "LC at the exits given",
}
REFERENCE_FPS = dict.fromkeys(("deck", "T3", "computed"), T3["DeepLab-v2"]["fps"])
"""Of DeepLab-v2, by source; T6 has it with three scales and a CRF only, to which nothing is compared."""
SYSTEMS = tuple(name for name in TITLES if name != "lc-exits")


@dataclass(frozen=True)
class SystemsSettings:
    """What to measure.

    Attributes:
        names: of systems; DeepLab-v2 is always among them.
        size: (H, W) in pixels.
        width: factor on all channels of all networks.
        num_classes: K.
        exits: of one more cascade, "lc-exits", or None.
        mask: kind of the regions.
        batch: B.
        dtype: of weights and features.
        seed: of weights and masks.
    """

    names: tuple[str, ...] = SYSTEMS
    size: tuple[int, int] = (512, 512)
    width: float = 1.0
    num_classes: int = 21
    exits: tuple[float, ...] | None = None
    mask: str = "blobs"
    batch: int = 1
    dtype: torch.dtype = torch.float32
    seed: int = 0

    def all_names(self) -> list[str]:
        """In the order of the table.

        Raises:
            ValueError: there is no such system.
        """
        unknown = [n for n in self.names if n not in SYSTEMS]
        if unknown:
            raise ValueError(f"no system is named {unknown[0]!r}; there are {', '.join(SYSTEMS)}")
        wanted = {*self.names, REFERENCE} | ({"lc-exits"} if self.exits is not None else set())
        return [n for n in TITLES if n in wanted]


def bench_systems(
    settings: SystemsSettings,
    inputs: Inputs,
    protocol: Protocol,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[dict[str, Any]], list[Times]]:
    """Measure all systems in turns.

    Args:
        settings: what.
        inputs: images of that size and batch.
        protocol: how.
        progress: called with rounds done and rounds in all.

    Returns:
        One result per system as JSON takes it, and all times.

    Raises:
        ValueError: there is no such system, or its exits do not fit.
    """
    device, names = str(inputs.device), settings.all_names()
    torch.manual_seed(settings.seed)
    cascade = irnet_lc(settings.num_classes, settings.width).eval()
    counts = {name: system_macs(name, settings, cascade) for name in names}
    fused = cascade.to(device).for_inference(settings.dtype)
    opponents = [Opponent(name, inputs.fed(_form(name, settings, cascade, fused, device))) for name in names]
    times = measure(opponents, protocol, stopwatch_for(device), progress)
    return [_result(name, settings, device, times, counts) for name in names], list(times.values())


def _form(
    name: str, settings: SystemsSettings, cascade: LayerCascade, fused: CascadeRuns, device: str
) -> Callable[[Tensor], Any]:
    """The named system as one call from images to labels."""
    if name == "irnet":
        return plain(cascade, settings.dtype, device)
    if name in BASELINES or name == DPN_UNARY:
        network = Normalised(_network(name, settings), settings.dtype)
        return labels_of(folded(network, settings.dtype).to(device))
    grid = (settings.batch, -(-settings.size[0] // 8), -(-settings.size[1] // 8))
    masks = [m.to(device) for m in open_after(exits_of(name, settings), grid, settings.mask, settings.seed)]
    return lambda x: fused(x, PLANNED_RHO, criterion=PlannedExits(masks)).labels


def _network(name: str, settings: SystemsSettings) -> torch.nn.Module:
    if name == DPN_UNARY:
        return DPN(settings.num_classes, settings.width, pairwise=False).eval()
    return baseline(name, settings.num_classes, settings.width)


def exits_of(name: str, settings: SystemsSettings) -> Sequence[float]:
    """Fraction of all cells that exits at each exit of this system."""
    return settings.exits or () if name == "lc-exits" else LC_EXITS[name]


def system_macs(name: str, settings: SystemsSettings, cascade: LayerCascade) -> float:
    """Multiply-accumulates of one image."""
    if name in BASELINES or name == DPN_UNARY:
        with torch.device("meta"):
            network = _network(name, settings)
        return count_macs(network, torch.empty(1, 3, *settings.size, device="meta"))
    cost: CascadeCost = cascade_cost(cascade, *settings.size)
    if name == "irnet":
        return cost.single_head
    reached, work = 1.0, [1.0]
    for share in exits_of(name, settings):
        reached -= share
        work.append(max(0.0, reached))
    return float(cost.of(torch.tensor([work], dtype=torch.float64)).item())


def _result(
    name: str, settings: SystemsSettings, device: str, times: dict[str, Times], counts: dict[str, float]
) -> dict[str, Any]:
    cascade = name in LC_EXITS or name == "lc-exits"
    return {
        "system": name,
        "title": TITLES[name],
        "device": device,
        "batch": settings.batch,
        "exits": list(exits_of(name, settings)) if cascade else None,
        "gmac": round(counts[name] / 1e9, 6),
        "ms": times[name].as_ms(),
        "images_per_s": round(settings.batch / times[name].p50, 3),
        "speed_over_deeplab_v2": round(times[REFERENCE].p50 / times[name].p50, 4),
        "multiply_adds_below_deeplab_v2": round(counts[REFERENCE] / counts[name], 4),
        "printed": printed_of(name),
    }


def printed_of(system: str) -> list[dict[str, Any]]:
    """The printed entries of a system, each with its speed over DeepLab-v2's where both are printed."""
    entries = []
    for entry in SPEEDS.get(system, []):
        reference = REFERENCE_FPS.get(entry["source"])
        known = "fps" in entry and reference is not None
        entries.append(entry | ({"speed_over_deeplab_v2": round(entry["fps"] / reference, 2)} if known else {}))
    return entries


def rows_of_table(results: Sequence[dict[str, Any]]) -> list[tuple[object, ...]]:
    """The results for people; the first line is the head."""
    head = ("device", "batch", "system", "GMAC", "ms p50", "p95", "x DeepLab-v2", "by multiply-adds", "printed")
    lines: list[tuple[object, ...]] = [head]
    for r in results:
        printed = "; ".join(
            f"{e['source']} {e['fps']} FPS ({e['speed_over_deeplab_v2']} x)"
            for e in r["printed"]
            if "speed_over_deeplab_v2" in e
        )
        times = (f"{r['ms']['p50']:.1f}", f"{r['ms']['p95']:.1f}")
        ratios = (f"{r['speed_over_deeplab_v2']:.2f}", f"{r['multiply_adds_below_deeplab_v2']:.2f}")
        lines.append((r["device"], r["batch"], r["title"], f"{r['gmac']:.1f}", *times, *ratios, printed or "-"))
    return lines
