"""Deep Layer Cascade in one file: three stages, exits, region convolutions and both losses. Torch only.

    python lcnb/minimal.py data/photos/dog.jpg        # a true run on a photograph

Shape letters: B images, C input and O output channels, K classes, S stages, H, W pixels, h, w cells of 8 x 8 pixels, N
active cells, P kernel positions.

Read it from top to bottom. The package does the same faster, on other networks, and with errors that say what to do; a
test holds the two to the same numbers. Sections are those of Li et al., "Not All Pixels are Equal", CVPR 2017.
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# 1. A convolution that runs on some cells only


def neighbour_table(active: Tensor, kernel: tuple[int, ...], dilation: tuple[int, ...]) -> Tensor:
    """(B, h, w) bool -> (N, P) int64: in which row each neighbour of each active cell is; N where it is not active.

    The active cells, in order, are rows 0 to N - 1 of whatever is computed for them.
    """
    count, (height, width) = int(active.sum()), active.shape[1:]
    rows = torch.full(active.shape, count, device=active.device)
    rows[active] = torch.arange(count, device=active.device)
    (down, across), (tall, wide) = dilation, kernel
    padded = F.pad(rows, [across * (wide // 2)] * 2 + [down * (tall // 2)] * 2, value=count)
    corners = [(i * down, j * across) for i in range(tall) for j in range(wide)]
    return torch.stack([padded[:, y : y + height, x : x + width][active] for y, x in corners], dim=1)


def region_conv(rows: Tensor, active: Tensor, conv: nn.Conv2d) -> Tensor:
    """(N, C) rows of the active cells -> (N, O): gather, then multiply. Inactive neighbours count as zero."""
    table = neighbour_table(active, conv.kernel_size, conv.dilation)
    gathered = torch.cat([rows, rows.new_zeros(1, rows.shape[1])])[table]  # (N, P, C); row N is the zero
    if conv.groups == 1:
        result = gathered.flatten(1) @ conv.weight.permute(2, 3, 1, 0).flatten(0, 2)  # (N, P C) times (P C, O)
    else:  # depthwise: each channel has a kernel of its own
        result = (gathered * conv.weight.flatten(1).t()).sum(1)
    return result if conv.bias is None else result + conv.bias


def on_region(module: nn.Module, rows: Tensor, active: Tensor) -> Tensor:
    """Run a stage or a classifier on the active cells: (N, C) -> (N, O)."""
    if isinstance(module, nn.Sequential):
        for part in module:
            rows = on_region(part, rows, active)
        return rows
    if isinstance(module, MBConv):
        result = on_region(module.layers, rows, active)
        return rows + result if module.residual else result
    if isinstance(module, nn.Conv2d):
        return region_conv(rows, active, module)
    return module(rows[:, :, None, None])[:, :, 0, 0]  # norm, ReLU, dropout: cell by cell


# 2. A network in three stages


class StridedConv(nn.Conv2d):
    """A convolution of stride 2, padded to ceil(size / 2): an odd row or column of zeros goes below or right."""

    def forward(self, x: Tensor) -> Tensor:
        totals = [max((-(-size // 2) - 1) * 2 + self.kernel_size[0] - size, 0) for size in (x.shape[3], x.shape[2])]
        return super().forward(F.pad(x, [side for t in totals for side in (t // 2, t - t // 2)]))


class MBConv(nn.Module):
    """1x1 to six times the channels, depthwise, 1x1 back; added to its input where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, dilation: int, expansion: int = 6) -> None:
        super().__init__()
        wide = inputs * expansion
        first = [nn.Conv2d(inputs, wide, 1, bias=False), *norm_relu(wide)] if expansion > 1 else []
        kind, padding = (nn.Conv2d, dilation * (kernel // 2)) if stride == 1 else (StridedConv, 0)
        depthwise = kind(wide, wide, kernel, stride, padding, dilation, wide, bias=False)
        last = [nn.Conv2d(wide, outputs, 1, bias=False), nn.BatchNorm2d(outputs, eps=1e-3)]
        self.layers = nn.Sequential(*first, depthwise, *norm_relu(wide), *last)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


def norm_relu(channels: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels, eps=1e-3), nn.ReLU6(inplace=True)]


class Cascade(nn.Module):
    """EfficientNet-Lite0 at stride 8, cut into three stages, with a classifier behind each (paper, figure 2)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        layers = [nn.Sequential(StridedConv(3, 32, 3, 2, bias=False), *norm_relu(32)), MBConv(32, 16, 3, 1, 1, 1)]
        inputs = 16
        for count, kernel, stride, dilations, outputs in (
            (2, 3, 2, (1, 1), 24), (2, 5, 2, (1, 1), 40), (3, 3, 1, (1, 2, 2), 80), (3, 5, 1, (2, 2, 2), 112),
            (4, 5, 1, (2, 4, 4, 4), 192), (1, 3, 1, (4,), 320),
        ):  # fmt: skip
            for i in range(count):
                layers.append(MBConv(inputs, outputs, kernel, stride if i == 0 else 1, dilations[i]))
                inputs = outputs
        self.stages = nn.ModuleList(nn.Sequential(*part) for part in (layers[:10], layers[10:15], layers[15:]))
        self.heads = nn.ModuleList(head(channels, classes) for channels in (112, 192, 320))


def head(channels: int, classes: int) -> nn.Sequential:
    hidden = [nn.Conv2d(channels, 106, 3, padding=1, bias=False), nn.BatchNorm2d(106, eps=1e-3), nn.ReLU()]
    return nn.Sequential(nn.Sequential(*hidden), nn.Dropout(0.0), nn.Conv2d(106, classes, 1))


# 3. The cascade


def run(cascade: Cascade, image: Tensor, rho: float = 0.985, halo: int = 0) -> tuple[list[Tensor], list[Tensor]]:
    """A true run: each stage computes the cells that are still open, and nothing else (paper, section 3.2).

    Args:
        image: (B, 3, H, W) RGB in [0, 1].
        rho: a cell exits where its largest softmax score is above it; at 0 every cell exits, at 1 none.
        halo: cells by which a region is grown for computing, so that open cells see more of their neighbours.

    Returns:
        S maps (B, K, h, w), what is known of every cell behind each stage; S maps (B, h, w) bool, the cells that reach
        each stage. Summed over the stages, these are each cell's exit stage (1 to S).
    """
    features = cascade.stages[0]((image - 0.5) / 0.5)
    logits = [cascade.heads[0](features)]
    reached = [torch.ones_like(logits[0][:, 0], dtype=torch.bool)]
    for stage, classifier in zip(cascade.stages[1:], cascade.heads[1:], strict=True):
        exits = (logits[-1].softmax(1).amax(1) > rho) & (rho < 1) | (rho == 0)
        reached.append(reached[-1] & ~exits)
        active = F.max_pool2d(reached[-1].float(), 2 * halo + 1, 1, halo) > 0
        rows = on_region(stage, features.permute(0, 2, 3, 1)[active], active)  # gather, compute
        features = scatter(rows, active)
        new = scatter(on_region(classifier, rows, active), active)
        logits.append(torch.where(reached[-1][:, None], new, logits[-1].detach()))
    return logits, reached


def scatter(rows: Tensor, active: Tensor) -> Tensor:
    """(N, C) rows to their cells of a (B, C, h, w) map that is zero elsewhere."""
    cells = rows.new_zeros(*active.shape, rows.shape[1])
    cells[active] = rows
    return cells.permute(0, 3, 1, 2)


def deep_supervision(cascade: Cascade, image: Tensor, target: Tensor) -> Tensor:
    """Step 1: every stage runs on every cell and learns from every pixel of the (B, H, W) target (255: no label)."""
    features, total = (image - 0.5) / 0.5, torch.zeros(())
    for stage, classifier in zip(cascade.stages, cascade.heads, strict=True):
        features = stage(features)
        total = total + stage_loss(classifier(features), target)
    return total


def cascade_loss(cascade: Cascade, image: Tensor, target: Tensor, rho: float = 0.985) -> Tensor:
    """Step 2: a true run; each stage learns from the pixels of the cells that reach it (paper, section 3.4)."""
    total = torch.zeros(())
    for logits, cells in zip(*run(cascade, image, rho), strict=True):
        pixels = F.interpolate(cells[:, None].float(), target.shape[1:], mode="nearest-exact")[:, 0] > 0
        total = total + stage_loss(logits, target.masked_fill(~pixels, 255))
    return total


def stage_loss(logits: Tensor, target: Tensor) -> Tensor:
    """The mean cross-entropy over the labelled pixels; 0 where there are none."""
    pixels = F.interpolate(logits, target.shape[1:], mode="bilinear")
    loss = F.cross_entropy(pixels, target, ignore_index=255, reduction="sum")
    return loss / (target != 255).sum().clamp(min=1)


def main(photo: str, rho: float = 0.985) -> None:
    """Label a photograph with the weights in data/weights/voc-lite, and print how many cells exit at each stage."""
    from safetensors.torch import load_file
    from torchvision.io import ImageReadMode, decode_image

    weights = load_file(Path(__file__).parents[1] / "data/weights/voc-lite/model.safetensors")
    cascade = Cascade(classes=7).eval()
    cascade.load_state_dict(weights)  # float16 becomes float32
    image = decode_image(photo, ImageReadMode.RGB)[None] / 255
    with torch.inference_mode():
        logits, reached = run(cascade, image, rho)
    labels = F.interpolate(logits[-1], image.shape[2:], mode="bilinear").argmax(1)
    exit_stage = torch.stack(reached).sum(0)
    for stage in (1, 2, 3):
        print(f"stage {stage}: {(exit_stage == stage).float().mean():.1%} of the cells exit here")
    for k, name in enumerate(["background", "cat", "cow", "dog", "horse", "person", "sheep"]):
        print(f"{name}: {(labels == k).float().mean():.1%} of the pixels")


if __name__ == "__main__":
    main(sys.argv[1], *map(float, sys.argv[2:]))
