"""Networks as ONNX files, which other runtimes read.

Shape letters: B images, K classes, H, W pixels, h, w cells, S stages.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lcnb.errors import LcnbError
from lcnb.models.cascade import LayerCascade
from lcnb.paths import extra

IMAGE = "image"
"""Name of the input: (1, 3, H, W) float32 RGB in [0, 1]."""


class AllStages(nn.Module):
    """`cascade.all_stages` as a module of its own.

    Args:
        cascade: put into eval mode.
    """

    def __init__(self, cascade: LayerCascade) -> None:
        super().__init__()
        self.cascade = cascade
        self.eval()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(1, 3, H, W) RGB in [0, 1] -> S logits (1, K, h, w)."""
        return tuple(self.cascade.all_stages(x))


def onnx_model(network: nn.Module, example: Tensor, outputs: Sequence[str], any_size: bool = False) -> bytes:
    """An ONNX model of a network of images, with its weights inside.

    Args:
        network: in eval mode; without control flow that looks at numbers.
        example: (1, 3, H, W) float32.
        outputs: their names.
        any_size: take images of other sizes than the example's too; else runtimes may prepare for that one.

    Raises:
        LcnbError: the packages that write ONNX are missing.
    """
    try:
        import onnxscript  # noqa: F401  # what torch.onnx writes with
    except ImportError as error:
        raise LcnbError(f"writing ONNX needs onnx and onnxscript: {extra('bench')}") from error
    sizes: Any = ({2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO},) if any_size else None
    program: Any = torch.onnx.export(
        network, (example,), dynamo=True, input_names=[IMAGE], output_names=list(outputs), dynamic_shapes=sizes,
        external_data=False, verbose=False,
    )  # fmt: skip
    written = io.BytesIO()
    program.save(written)
    return written.getvalue()
