"""The networks that take part, each as one call from images to labels.

Shape letters: B images, K classes, h, w the 1/8 grid, H, W pixels, S stages.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from lcnb.models import CascadeRuns, LayerCascade, to_labels
from lcnb.models.exits import ExitLedger
from lcnb.models.folding import folded
from lcnb.models.onnx import IMAGE, onnx_model
from lcnb.regions import use_backend

Labeller = Callable[[Tensor], Tensor]
"""(B, 3, H, W) RGB float32 in [0, 1], on the network's device -> (B, H, W) int64."""
Network = Callable[[Tensor], Tensor]
"""The same images -> (B, K, h, w) float32 logits."""


class OneHead(nn.Module):
    """Plain IRNet: all stages on all cells and the last head only. What a cascade has to beat.

    Args:
        cascade: whose stages and last head are run.
    """

    def __init__(self, cascade: LayerCascade) -> None:
        super().__init__()
        self.cascade = cascade

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) RGB in [0, 1] -> (B, K, h, w) logits."""
        features = self.cascade.normalise(x).to(next(self.parameters()).dtype)
        for stage in self.cascade.stages:
            features = stage(features)
        return self.cascade.heads[-1](features)


class Normalised(nn.Module):
    """A baseline with the price of IRNet's input normalisation, so that all are timed alike."""

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.network, self.dtype = network, dtype

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) RGB in [0, 1] -> logits."""
        return self.network(((x - 0.5) / 0.25).to(self.dtype).contiguous(memory_format=torch.channels_last))


def labels_of(network: Callable[[Tensor], Tensor]) -> Labeller:
    """A network of logits as one of labels, at the input's size."""
    return lambda x: to_labels(network(x), x.shape[2:])


def plain(cascade: LayerCascade, dtype: torch.dtype, device: str) -> Labeller:
    """One-head IRNet: batch-norm folded, channels-last, eager. cuDNN's or oneDNN's own convolutions."""
    return labels_of(folded(OneHead(cascade), dtype).to(device))


def compiled(cascade: LayerCascade, dtype: torch.dtype, device: str) -> Labeller:
    """The same through `torch.compile`."""
    network: Any = torch.compile(folded(OneHead(cascade), dtype).to(device), dynamic=False)
    return labels_of(network)


def rivals(names: Iterable[str], network: nn.Module) -> dict[str, Network]:
    """The network in other runtimes, which prepare it for each size of image when that size first comes.

    Args:
        names: of `RIVALS`.
        network: dense, on the CPU, in float32 and eval mode.

    Returns:
        By name, a call that raises ImportError where the runtime is missing and `LcnbError` where what writes ONNX is.
    """

    @functools.cache
    def model(shape: torch.Size) -> bytes:
        return onnx_model(network, torch.rand(shape), ["logits"])

    def prepared(name: str) -> Network:
        by_size = functools.cache(lambda shape: RIVALS[name](model(shape), torch.get_num_threads()))
        return lambda x: by_size(x.shape)(x)

    return {name: prepared(name) for name in names}


def _onnxruntime(model: bytes, threads: int) -> Network:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Else its threads look for work a while longer, in its opponents' time.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda x: torch.from_numpy(session.run(None, {IMAGE: x.numpy()})[0])


def _openvino(model: bytes, threads: int) -> Network:
    import openvino

    settings = {
        "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
    }  # fmt: skip
    core: Any = openvino.Core()
    request = core.compile_model(core.read_model(model), "CPU", settings).create_infer_request()
    return lambda x: torch.from_numpy(request.infer([x.numpy()], share_inputs=True, share_outputs=True)[0])


RIVALS: dict[str, Callable[[bytes, int], Network]] = {"onnxruntime": _onnxruntime, "openvino": _openvino}
"""By package: an ONNX model and a number of threads -> the network as that runtime runs it."""


def prepared(
    cascade: LayerCascade, dtype: torch.dtype, device: str, path: str = "fused", compile: bool = False
) -> CascadeRuns:
    """The cascade as it is run.

    Args:
        cascade: not changed.
        dtype: of weights and features.
        device: where to.
        path: "fused" (`for_inference`), or a region backend's name: the modules on it, folded.
        compile: stage 1 of the fused path.
    """
    if path == "fused":
        return cascade.to(device).for_inference(dtype, compile=compile)
    return OnBackend(folded(cascade, dtype).to(device), path)


class OnBackend(CascadeRuns):
    """A cascade's modules whose region operations run on one backend.

    Args:
        cascade: folded, of the dtype wanted.
        backend: name of the backend.
    """

    def __init__(self, cascade: LayerCascade, backend: str) -> None:
        super().__init__()
        self.cascade, self.backend, self.rho, self.halo = cascade, backend, cascade.rho, cascade.halo
        self.dtype = next(cascade.parameters()).dtype

    @property
    def network(self) -> LayerCascade:
        """The cascade as modules."""
        return self.cascade

    def _walk(self, x: Tensor, ledger: ExitLedger, halo: int) -> Iterator[Tensor]:
        walk = self.cascade._walk(x.to(self.dtype), ledger, halo)
        while True:  # the backend is chosen while a stage runs, not while the generator waits
            with use_backend(self.backend):
                work = next(walk, None)
            if work is None:
                return
            yield work

    def all_stages(self, x: Tensor) -> Any:
        """Every stage on every cell, dense."""
        return self.cascade.all_stages(x.to(self.dtype))
