"""`lcnb export`: a cascade as an ONNX file, for other runtimes and for a browser."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from lcnb.cli.options import BUILDER, WEIGHTS, command, count, flag, loaded, option
from lcnb.errors import printable
from lcnb.paths import check_writable, written_whole


def add(commands: Any) -> None:
    """The command's options."""
    command(
        commands, "export", run, "write all stages of a cascade as an ONNX file, for images of any size",
        "lcnb export --weights voc-lite --onnx voc-lite.onnx",
        [
            WEIGHTS,
            BUILDER,
            option("--onnx", type=Path, required=True, metavar="FILE", help="the file"),
            flag("--half", "keep the weights in float16: half the file; the arithmetic stays float32"),
            option(
                "--size", type=count, nargs=2, metavar=("H", "W"),
                help="take images of this size only, for which a runtime can prepare (default: any size)",
            ),
        ],
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Load, write."""
    import torch

    from lcnb.models.onnx import AllStages, onnx_model

    check_writable(arguments.onnx)
    cascade = loaded(arguments)
    names = [f"stage_{s + 1}" for s in range(cascade.stage_count)]
    example = torch.rand(1, 3, *(arguments.size or (96, 128)))
    model = onnx_model(AllStages(cascade), example, names, any_size=arguments.size is None, half=arguments.half)
    with written_whole(arguments.onnx) as path:
        path.write_bytes(model)
    print(
        f"wrote {printable(str(arguments.onnx))}, {len(model) / 1e6:.1f} MB: RGB in [0, 1] in, "
        f"logits of {', '.join(names)} out"
    )
    return 0
