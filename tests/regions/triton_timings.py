"""How long the Triton kernel takes beside cuDNN's dense convolution: `python -m tests.regions.triton_timings`.

Shape letters: B images, C channels, O output channels.

The two take turns, and medians are compared. Dense is cuDNN with its autotuner on, channels-last, bias and ReLU apart
(as PyTorch runs them); region is one fused kernel. The mask is made of blobs, as cascades leave them. Times exclude
the neighbour table, which a stage builds once.
"""

import statistics

import torch
import torch.nn.functional as F

from lcnb.regions import Region
from lcnb.regions.triton_backend import region_conv

LAYERS = {  # IRNet at width 1: C, O, kernel
    "A 3x3": (48, 64, (3, 3)),
    "B 1x7": (128, 160, (1, 7)),
    "B 7x1": (160, 192, (7, 1)),
    "C 1x3": (192, 224, (1, 3)),
    "C 3x1": (224, 256, (3, 1)),
    "reduction A": (256, 384, (3, 3)),
    "head 3x3": (2144, 106, (3, 3)),
}
SHARES = (1.0, 0.5, 0.25, 0.1)
REPEATS = 30


def blobs(batch, side, share):
    """(B, side, side) bool: the given share of cells, in patches some 8 cells wide."""
    coarse = torch.rand(batch, 1, side // 8 + 1, side // 8 + 1, generator=torch.Generator().manual_seed(0))
    smooth = F.interpolate(coarse, size=(side, side), mode="bicubic")[:, 0]
    rank = smooth.flatten().argsort().argsort().view_as(smooth)
    return rank < share * smooth.numel()


def alternate(*calls):
    """Median milliseconds of each call, taking turns, each behind a pause for the GPU to fall idle."""
    times = [[] for _ in calls]
    for turn in range(REPEATS + 5):
        for call, kept in zip(calls, times, strict=True):
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            torch.cuda.synchronize()
            begin.record()
            call()
            end.record()
            torch.cuda.synchronize()
            if turn >= 5:
                kept.append(begin.elapsed_time(end))
    return [statistics.median(t) for t in times]


def compare(layer, share, batch=16, side=64, dtype=torch.bfloat16):
    """(dense ms, region ms) of one layer of `LAYERS` at a share of active cells, on the current GPU."""
    channels, outputs, kernel = LAYERS[layer]
    mask = blobs(batch, side, share)
    x = torch.randn(batch, channels, side, side).cuda().to(dtype).to(memory_format=torch.channels_last)
    weight = torch.randn(outputs, channels, *kernel).cuda().to(dtype).to(memory_format=torch.channels_last)
    bias, region = torch.randn(outputs).cuda().to(dtype), Region(mask.cuda())
    rows = x.permute(0, 2, 3, 1)[region.mask]
    table = region.neighbours(kernel)

    def dense():
        return F.conv2d(x, weight, bias, padding=(kernel[0] // 2, kernel[1] // 2)).relu_()

    return alternate(dense, lambda: region_conv(rows, weight, table, bias, None, True))


def main():
    """Print the table."""
    torch.backends.cudnn.benchmark = True
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, bfloat16, medians of {REPEATS}")
    print(f"{'layer':12} {'B':>3} {'active':>6} {'dense ms':>9} {'region ms':>9} {'region / (dense x share)':>25}")
    for layer in LAYERS:
        for batch in (1, 16):
            for share in SHARES:
                dense, region = compare(layer, share, batch)
                ratio = region / (dense * share)
                print(f"{layer:12} {batch:3} {share:6.0%} {dense:9.4f} {region:9.4f} {ratio:25.2f}", flush=True)


if __name__ == "__main__":
    main()
