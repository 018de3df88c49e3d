"""IRNet taken apart: its blocks, and each shape of convolution in them once.

Shape letters: C channels in, O channels out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from lcnb.models import IRNetConfig
from lcnb.models.cost import count_macs
from lcnb.models.irnet import ConvNorm, block_a, block_b, block_c, head, initialise, reduction_a, reduction_b


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


def kernels(module: nn.Module) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """(kernel, dilation) of every neighbour table that a module needs, once each."""
    found: dict[tuple[tuple[int, int], tuple[int, int]], None] = {}
    for part in module.modules():
        if isinstance(part, nn.Conv2d) and part.kernel_size != (1, 1):
            found[(part.kernel_size[0], part.kernel_size[1]), (part.dilation[0], part.dilation[1])] = None
        elif isinstance(part, nn.MaxPool2d):
            side, dilation = int(part.kernel_size), int(part.dilation)  # type: ignore[arg-type]
            found[(side, side), (dilation, dilation)] = None
    return list(found)


def macs(piece: Piece, height: int, width: int) -> int:
    """Multiply-accumulates of the piece on all cells of a grid, counted by PyTorch."""
    return count_macs(piece.module, torch.empty(1, piece.channels, height, width, device="meta"))
