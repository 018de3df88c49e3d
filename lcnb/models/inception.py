"""Inception-ResNet-v2 as public ImageNet weights have it, cut into the three stages of a cascade.

Shape letters: B images, H, W pixels.

The paper's network (5/10/5 blocks, 384 -> 1152 -> 2144 channels) has no public ImageNet weights. The one that has,
timm's `inception_resnet_v2`, differs from it: another stem, 10/20/10 blocks, 320 -> 1088 -> 2080 channels, a last block
without scale and ReLU, and a 1x1 convolution to 1536 behind it. Its blocks and reductions are IRNet's with other input
channels, so only the stem is written here.

At output stride 8 both reductions go from stride 2 to 1, as in the paper, and what follows is dilated by 2 and then 4
(ours), so that every kernel sees the places it was trained on; all layers are padded to ceil(size / stride), as in
IRNet. At output stride 32, without dilation and without the padding that timm leaves out, it is timm's network.
"""

from __future__ import annotations

from torch import Tensor, nn

from lcnb.models.irnet import (
    Branches,
    ConvNorm,
    IRNetConfig,
    block_a,
    block_b,
    block_c,
    head,
    pool,
    reduction_a,
    reduction_b,
)

MEAN = STD = (0.5, 0.5, 0.5)
"""What timm's checkpoint was trained with."""
DEFAULTS = {"blocks": (10, 20, 10), "dilation": (1, 2, 4)}
"""Knobs of `IRNetConfig` that differ from the paper's network."""


def inception_stem(config: IRNetConfig, same: bool = True) -> tuple[nn.Sequential, int]:
    """3 channels at full size -> 320 at 1/8: timm's `conv2d_1a` to `mixed_5b`."""
    c = config.channels
    joined, channels = c(192), c(96) + c(64) + c(96) + c(64)
    mixed = Branches(
        ConvNorm(joined, c(96)),
        nn.Sequential(ConvNorm(joined, c(48)), ConvNorm(c(48), c(64), 5)),
        nn.Sequential(ConvNorm(joined, c(64)), ConvNorm(c(64), c(96), 3), ConvNorm(c(96), c(96), 3)),
        nn.Sequential(nn.AvgPool2d(3, 1, 1, count_include_pad=False), ConvNorm(joined, c(64))),
    )
    layers = nn.Sequential(
        ConvNorm(3, c(32), 3, 2, same=same),
        ConvNorm(c(32), c(32), 3, same=same),
        ConvNorm(c(32), c(64), 3),
        pool(2, same=same),
        ConvNorm(c(64), c(80)),
        ConvNorm(c(80), joined, 3, same=same),
        pool(2, same=same),
        mixed,
    )
    return layers, channels


def inception_stages(
    config: IRNetConfig, output_stride: int = 8, same: bool = True
) -> tuple[list[nn.Sequential], list[nn.Sequential]]:
    """The three stages and their three heads; one behind the other, the stages are timm's `forward_features`.

    Args:
        config: the knobs; `dilation` is that of the A, B and C blocks, and Reduction-B has that of the B blocks.
        output_stride: 8, or 32 for the strides of timm's network, which no region can follow.
        same: pad where timm does not, so that a layer of stride s makes ceil(size / s) of any size.

    Raises:
        ValueError: another output stride.
    """
    if output_stride not in (8, 32):
        raise ValueError(f"output_stride is 8 or 32, got {output_stride}")
    stride, (a, b, c) = (1 if output_stride == 8 else 2), config.blocks
    entry, channels = inception_stem(config, same)
    after_a, wide = reduction_a(channels, config, stride, same)
    after_b, wider = reduction_b(wide, config, stride, same, config.dilation[1])
    last = config.channels(1536)
    first = nn.Sequential(entry, *(block_a(channels, config) for _ in range(a)), after_a)
    second = nn.Sequential(*(block_b(wide, config) for _ in range(b)), after_b)
    third = nn.Sequential(
        *(block_c(wider, config, last=i == c - 1) for i in range(c)),
        ConvNorm(wider, last),
    )
    return [first, second, third], [head(wide, config), head(wider, config), head(last, config)]


_STEM = {"conv2d_1a": 0, "conv2d_2a": 1, "conv2d_2b": 2, "conv2d_3b": 4, "conv2d_4a": 5, "mixed_5b": 7}
_PARTS = {"conv": "0", "bn": "1", "conv2d": "up"}


def from_timm(state: dict[str, Tensor], blocks: tuple[int, int, int] = (10, 20, 10)) -> dict[str, Tensor]:
    """timm's state dict of `inception_resnet_v2` under the names of a cascade's; heads excepted, nothing is left out.

    Args:
        state: timm's names and values; its ImageNet classifier (`classif`) has no place here and is dropped.
        blocks: of the cascade.

    Returns:
        The same tensors under our names; a name that timm's network does not have stays as it is.
    """
    return {_ours(name, blocks): value for name, value in state.items() if not name.startswith("classif.")}


def _ours(name: str, blocks: tuple[int, int, int]) -> str:
    a, b, c = blocks
    places = {module: f"stages.0.0.{i}" for module, i in _STEM.items()}
    places |= {"mixed_6a": f"stages.0.{a + 1}", "mixed_7a": f"stages.1.{b}"}
    places |= {"block8": f"stages.2.{c - 1}", "conv2d_7b": f"stages.2.{c}"}
    parts = name.split(".")
    if parts[0] in ("repeat", "repeat_1", "repeat_2") and len(parts) > 1 and parts[1].isdecimal():
        stage = ("repeat", "repeat_1", "repeat_2").index(parts[0])
        place, rest = f"stages.{stage}.{int(parts[1]) + (stage == 0)}", parts[2:]
    elif parts[0] in places:
        place, rest = places[parts[0]], parts[1:]
    else:
        return name
    branches = "branches.branches" if parts[0].startswith(("repeat", "block8")) else "branches"
    return ".".join([place, *(_PARTS.get(part, part.replace("branch", f"{branches}.")) for part in rest)])
