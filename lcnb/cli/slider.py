"""`lcnb slider`: a photograph as a page with the threshold slider, to drag without Python and to send to a friend."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from lcnb.cli.options import UsageError, command, probability
from lcnb.errors import printable


def add(commands: Any) -> None:
    """The command's options."""
    parser = command(
        commands,
        "slider",
        run,
        "turn a photograph into a page with the threshold slider, which needs no Python",
        "lcnb slider street.jpg --weights camvid-small --out street.html",
    )
    parser.add_argument("picture", type=Path, metavar="PICTURE", help="any picture file; a large one is scaled down")
    parser.add_argument(
        "--weights", metavar="NAME", default="streets-small",
        help="name, folder or file of the weights (default: streets-small)",
    )  # fmt: skip
    parser.add_argument(
        "--rho", type=probability, metavar="R", help="where the slider starts (default: the weights' own)"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="the page (default: PICTURE's name, .html, here)")


def run(arguments: argparse.Namespace) -> int:
    """Read, run every stage once, write."""
    import torch

    from lcnb.datasets.photo import read_photo
    from lcnb.export import canvas_slider, standalone
    from lcnb.models import cascade_cost
    from lcnb.paths import check_writable, written_whole
    from lcnb.weights import load

    image = read_photo(arguments.picture)
    out = arguments.out or Path(f"{printable(arguments.picture.stem)}.html")
    if out.exists() and out.samefile(arguments.picture):
        raise UsageError(f"--out {out}: that is the picture itself; give the page another name")
    check_writable(out)
    cascade = load(arguments.weights)
    with torch.inference_mode():
        logits = cascade.all_stages(image[None].float() / 255)
    rho = arguments.rho if arguments.rho is not None else _first(cascade.rho)
    cost = cascade_cost(cascade, *image.shape[1:])
    names = cascade.meta.get("classes") or [f"class {k}" for k in range(logits[0].shape[1])]
    fragment = canvas_slider(image, logits, names, cost, rho=rho)
    with written_whole(out) as path:
        path.write_text(
            standalone(fragment, f"{printable(arguments.picture.stem)}: drag the threshold"), encoding="utf-8"
        )
    print(f"wrote {printable(str(out))}, {out.stat().st_size / 1e3:.0f} kB: open it in a browser")
    return 0


def _first(rho: Any) -> float:
    """The slider moves one threshold for all exits; weights may have one each."""
    return float(rho[0] if isinstance(rho, (list, tuple)) else rho)
