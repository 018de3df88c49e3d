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
SMALL = 256
"""Numbers; shorter weights, biases above all, stay in float32."""


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


def onnx_model(
    network: nn.Module, example: Tensor, outputs: Sequence[str], any_size: bool = False, half: bool = False
) -> bytes:
    """An ONNX model of a network of images, with its weights inside.

    Args:
        network: in eval mode; without control flow that looks at numbers.
        example: (1, 3, H, W) float32.
        outputs: their names.
        any_size: take images of other sizes than the example's too; else runtimes may prepare for that one.
        half: keep the weights in float16, which halves the file; they are cast to float32 when it is loaded.

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
    if half:
        _halve(program.model)
    written = io.BytesIO()
    program.save(written)
    return written.getvalue()


def _halve(model: Any) -> None:
    """Large float32 weights become float16 ones behind a cast."""
    import onnx_ir as ir

    graph = model.graph
    for name, value in list(graph.initializers.items()):
        if value.dtype == ir.DataType.FLOAT and value.const_value.size >= SMALL:
            rounded = ir.tensor(value.const_value.numpy().astype("float16"), name=f"{name}_half")
            kept = ir.Value(
                name=rounded.name, shape=value.shape, type=ir.TensorType(rounded.dtype), const_value=rounded
            )
            cast = ir.node("Cast", [kept], {"to": ir.DataType.FLOAT.value})
            cast.outputs[0].name = f"{name}_float"
            ir.convenience.replace_all_uses_with(value, cast.outputs[0])
            graph.initializers.pop(name)
            graph.register_initializer(kept)
            graph.insert_before(graph[0], cast)
