"""`lcnb bench ops`: IRNet's blocks and layers on regions, against dense times the fraction of active cells.

Shape letters: B images, C channels in, h, w the 1/8 grid, N active cells.

A region pays where its ratio to (dense time x share) is 1 or less. "rows" is the fused path of `for_inference`; the
other names are region backends, on which the modules run as they are written, batch-norm folded. Neighbour tables are
built once per stage and shared by its layers, so here they are outside the time, with a line of their own ("tables").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lcnb.benchmark.masks import nested_masks
from lcnb.benchmark.protocol import Opponent, Protocol, Times, measure
from lcnb.clock import stopwatch_for
from lcnb.models import IRNetConfig
from lcnb.models.cost import count_macs
from lcnb.models.folding import folded
from lcnb.models.fusing import Fused
from lcnb.models.irnet import ConvNorm, block_a, block_b, block_c, head, initialise, reduction_a, reduction_b
from lcnb.regions import Region, RegionTensor, use_backend
from lcnb.regions.region import Pair
from lcnb.regions.rows import pack
from lcnb.regions.workspace import Memory, Workspace

SHARES = (1.0, 0.75, 0.5, 0.25, 0.1, 0.05)
ROWS = "rows"
TIMED = {
    "inside": ["the block or layer, with bias, ReLU and residual"],
    "outside": ["batch-norm (folded)", "the mask, packing and neighbour tables (line `tables`)"],
}


@dataclass(frozen=True)
class OpsSettings:
    """What to measure.

    Attributes:
        size: (H, W) of the image in pixels; the grid has an eighth of both, rounded up.
        width: of IRNet.
        levels: "blocks", "layers" or both.
        shares: of active cells.
        masks: kinds of masks.
        paths: "rows" and names of region backends.
        only: words of which one has to begin a piece's name; all pieces if empty.
    """

    size: tuple[int, int] = (512, 512)
    width: float = 1.0
    levels: tuple[str, ...] = ("blocks", "layers")
    shares: tuple[float, ...] = SHARES
    masks: tuple[str, ...] = ("blobs", "boundaries", "random")
    paths: tuple[str, ...] = (ROWS, "gather")
    batch: int = 1
    dtype: torch.dtype = torch.float32
    seed: int = 0
    only: tuple[str, ...] = ()

    @property
    def grid(self) -> tuple[int, int, int]:
        """(B, h, w)."""
        return self.batch, -(-self.size[0] // 8), -(-self.size[1] // 8)


@dataclass(frozen=True)
class Piece:
    """A part of IRNet that runs on a region.

    Attributes:
        name: "B", or "B 1x7 128>160" for a layer.
        level: "blocks" or "layers".
        channels: C.
        module: in evaluation mode.
        count: how often the network has it.
    """

    name: str
    level: str
    channels: int
    module: nn.Module
    count: int


def blocks(config: IRNetConfig) -> list[Piece]:
    """A, Reduction-A, B, Reduction-B, C and the heads, randomly initialised."""
    c = config.channels
    first = c(192) + 2 * c(96)
    after_a, second = reduction_a(first, config)
    after_b, third = reduction_b(second, config)
    a, b, tail = config.blocks
    made = [
        ("A", first, block_a(first, config), a),
        ("Reduction-A", first, after_a, 1),
        ("B", second, block_b(second, config), b),
        ("Reduction-B", second, after_b, 1),
        ("C", third, block_c(third, config), tail),
        ("head 1", second, head(second, config), 1),
        ("head 2, 3", third, head(third, config), 2),
    ]
    pieces = [Piece(name, "blocks", channels, module.eval(), count) for name, channels, module, count in made]
    for piece in pieces:
        initialise(piece.module)
    return pieces


def layers(config: IRNetConfig) -> list[Piece]:
    """Each shape of convolution in those blocks, once a block, with its batch-norm and ReLU where it has them."""
    found: dict[str, Piece] = {}
    for block in blocks(config):
        for module, conv in _convolutions(block.module):
            kernel = f"{conv.kernel_size[0]}x{conv.kernel_size[1]}"
            name = f"{block.name} {kernel} {conv.in_channels}>{conv.out_channels}"
            before = found[name].count if name in found else 0
            found[name] = Piece(name, "layers", conv.in_channels, module, before + block.count)
    return list(found.values())


def _convolutions(module: nn.Module) -> Iterator[tuple[nn.Module, nn.Conv2d]]:
    """(the layer, its convolution), in order."""
    for child in module.children():
        if isinstance(child, ConvNorm):
            conv = child[0]
            assert isinstance(conv, nn.Conv2d)
            yield child, conv
        elif isinstance(child, nn.Conv2d):
            yield child, child
        else:
            yield from _convolutions(child)


def macs(piece: Piece, height: int, width: int) -> int:
    """Multiply-accumulates of the piece on all cells of a grid, counted by PyTorch."""
    return count_macs(piece.module, torch.empty(1, piece.channels, height, width, device="meta"))


def pieces(settings: OpsSettings) -> list[Piece]:
    """The blocks and layers asked for.

    Raises:
        ValueError: none has such a name.
    """
    config = IRNetConfig(width=settings.width)
    found = [
        *(blocks(config) if "blocks" in settings.levels else []),
        *(layers(config) if "layers" in settings.levels else []),
    ]
    kept = [p for p in found if not settings.only or p.name.startswith(settings.only)]
    if not kept:
        raise ValueError(
            f"nothing begins with {' or '.join(settings.only)}; there are {', '.join(p.name for p in found)}"
        )
    return kept


def bench_ops(
    settings: OpsSettings, device: str, protocol: Protocol, progress: Callable[[str], None] | None = None
) -> Iterator[tuple[dict[str, Any], list[Times]]]:
    """Measure piece after piece.

    Args:
        settings: what.
        device: where.
        protocol: how.
        progress: told the name of what comes.

    Yields:
        For each piece, kind of mask and share: the result as JSON takes it, and all its times.

    Raises:
        ValueError: a setting does not fit.
    """
    masks = {kind: nested_masks(settings.shares, settings.grid, kind, settings.seed) for kind in settings.masks}
    for piece in pieces(settings):
        bench = _Bench(piece, settings, device)
        for kind in settings.masks:
            for share, mask in zip(settings.shares, masks[kind], strict=True):
                if progress is not None:
                    progress(f"{piece.name}, {kind}, {share:g} of the cells")
                yield bench.case(kind, share, mask.to(device), protocol)


class _Bench:
    """One piece, ready to run in every form.

    The residual blocks of the fused path overwrite their rows, so each run gets fresh ones, outside the time.
    """

    def __init__(self, piece: Piece, settings: OpsSettings, device: str) -> None:
        self.piece, self.settings, self.device = piece, settings, device
        self.module = folded(piece.module, settings.dtype).to(device)
        example = torch.zeros(1, piece.channels, 8, 8, device=device)
        self.program = Fused(piece.module.to(device), example, settings.dtype, "piece").program
        for layer in self.program.layers():
            layer.use_kernels(True)
        self.memory = Memory()
        self.macs = macs(piece, *settings.grid[1:]) * settings.batch
        generator = torch.Generator().manual_seed(settings.seed)
        batch, height, width = settings.grid
        x = torch.randn(batch, piece.channels, height, width, generator=generator)
        self.x = x.to(device, settings.dtype).contiguous(memory_format=torch.channels_last)

    def case(self, kind: str, share: float, mask: Tensor, protocol: Protocol) -> tuple[dict[str, Any], list[Times]]:
        """Time dense and every path at this mask, in turns."""
        region = Region(mask)
        with torch.inference_mode():
            self.module(RegionTensor.from_dense(self.x, region))  # builds the tables that the piece needs
        opponents = [Opponent("dense", lambda _: self.module(self.x)), self._tables(mask, list(region.tables))]
        opponents += [self._on_rows(region) if p == ROWS else self._on_backend(region, p) for p in self.settings.paths]
        times = measure(opponents, protocol, stopwatch_for(self.device))
        real = len(region) / mask.numel()
        result = {
            "op": self.piece.name,
            "level": self.piece.level,
            "in_network": self.piece.count,
            "device": self.device,
            "batch": self.settings.batch,
            "mask": kind,
            "share": share,
            "cells": len(region),
            "gmac": round(self.macs * real / 1e9, 6),
            "dense": {"ms": times["dense"].as_ms(), "gmac_per_s": _rate(self.macs, times["dense"])},
            "tables": {"ms": times["tables"].as_ms()},
            "paths": {p: self._path(times[p], times["dense"], real) for p in self.settings.paths},
        }
        return result, list(times.values())

    def _path(self, times: Times, dense: Times, share: float) -> dict[str, Any]:
        ideal = dense.p50 * share
        return {
            "ms": times.as_ms(),
            "over_dense": round(times.p50 / dense.p50, 4),
            "over_dense_x_share": round(times.p50 / ideal, 4) if ideal else None,
            "gmac_per_s": _rate(self.macs * share, times),
        }

    def _tables(self, mask: Tensor, wanted: Sequence[tuple[Pair, Pair]]) -> Opponent:
        """The region and its tables, from a mask."""

        def build(_: int) -> None:
            region = Region(mask)
            for table in wanted:
                region.neighbours(*table)

        return Opponent("tables", build, steady=False)  # so short that its spread says nothing of the machine

    def _on_rows(self, region: Region) -> Opponent:
        cells = self.x.permute(0, 2, 3, 1).reshape(-1, self.piece.channels)
        fresh: list[Tensor] = []

        def prepare(_: int) -> None:
            fresh[:] = [pack(cells, region.index)]

        return Opponent(ROWS, lambda _: self.program(fresh, Workspace(region, fresh[0], self.memory)), prepare)

    def _on_backend(self, region: Region, name: str) -> Opponent:
        packed = RegionTensor.from_dense(self.x, region)

        def run(_: int) -> None:
            with use_backend(name):
                self.module(packed)

        return Opponent(name, run)


def _rate(count: float, times: Times) -> float:
    """10^9 multiply-accumulates per second."""
    return round(count / times.p50 / 1e9, 3)


def rows_of_table(results: Sequence[dict[str, Any]]) -> list[tuple[object, ...]]:
    """The results for people, one line per path; the first is the head."""
    lines: list[tuple[object, ...]] = [
        ("device", "op", "mask", "share", "path", "ms", "dense ms", "/ (dense x share)", "GMAC/s")
    ]
    for r in results:
        for name, path in r["paths"].items():
            ratio = path["over_dense_x_share"]
            times = (f"{path['ms']['p50']:.3f}", f"{r['dense']['ms']['p50']:.3f}")
            rate = f"{path['gmac_per_s']:.1f}"
            lines.append(
                (
                    r["device"],
                    r["op"],
                    r["mask"],
                    r["share"],
                    name,
                    *times,
                    "-" if ratio is None else f"{ratio:.2f}",
                    rate,
                )
            )
    return lines
