"""`lcnb slider`: a photograph as a page with the threshold slider, to drag without Python and to send to a friend; and
`lcnb export`: a cascade as an ONNX file, for other runtimes and for a browser."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import lcnb
from lcnb.cli.options import (
    BUILDER,
    WEIGHTS,
    UsageError,
    command,
    count,
    flag,
    loaded,
    option,
    own_unless,
    probability,
)
from lcnb.errors import printable
from lcnb.paths import check_writable, written_whole


def add(commands: Any) -> None:
    """The options of both commands."""
    command(
        commands, "slider", run_slider,
        "turn a photograph into a page with the threshold slider, which needs no Python",
        "lcnb slider street.jpg --weights camvid-small --out street.html",
        [
            option("image", type=Path, metavar="IMAGE", help="any image file; a large one is scaled down"),
            WEIGHTS, BUILDER,
            option("--rho", type=probability, metavar="R", help="where the slider starts (default: the weights' own)"),
            option("--out", type=Path, metavar="FILE", help="the page (default: IMAGE's name, .html, here)"),
        ],
    )  # fmt: skip
    command(
        commands, "export", run_export, "write all stages of a cascade as an ONNX file, for images of any size",
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


def run_slider(arguments: argparse.Namespace) -> int:
    """Read, run every stage once, write."""
    import torch
    from tqdm.auto import tqdm

    from lcnb.datasets.images import read_photo
    from lcnb.export import canvas_slider, standalone

    image, name = read_photo(arguments.image), printable(arguments.image.stem)
    out = arguments.out or Path(f"{name}.html")
    if out.exists() and out.samefile(arguments.image):
        raise UsageError(f"--out {out}: that is the image itself; give the page another name")
    check_writable(out)
    cascade = loaded(arguments)
    cost = lcnb.cascade_cost(cascade, *image.shape[1:])
    total = len(cascade.stages)
    with tqdm(total=total, desc=name, unit="stage", miniters=1, mininterval=0, disable=None, leave=False) as bar:

        def step(*_: object) -> None:
            bar.update()

        for stage in cascade.stages:
            stage.register_forward_hook(step)
        with torch.inference_mode():
            logits = cascade.all_stages(image[None].float() / 255)
    rho = own_unless(arguments.rho, cascade.rho)
    first = rho[0] if isinstance(rho, list | tuple) else rho  # the slider moves one threshold for all exits
    names = cascade.meta.get("classes") or [f"class {k}" for k in range(logits[0].shape[1])]
    page = standalone(canvas_slider(image, logits, names, cost, rho=float(first)), f"{name}: drag the threshold")
    with written_whole(out) as path:
        path.write_text(page, encoding="utf-8")
    print(f"wrote {printable(str(out))}, {out.stat().st_size / 1e3:.0f} kB: open it in a browser")
    return 0


def run_export(arguments: argparse.Namespace) -> int:
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
