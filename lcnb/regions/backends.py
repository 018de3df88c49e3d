"""Which kernel runs a region operation: the one dispatch point.

A backend is an object with a `name`, the `dtypes` it takes, whether it is `grouped` (does groups > 1),
and the three methods of `Backend`. What a backend does not declare goes to `gather`, which does all.

`triton` is loaded when it is first asked for, so that importing lcnb never imports triton.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Protocol

import torch
from torch import Tensor

from lcnb.regions.gather import GatherBackend
from lcnb.regions.reference import ReferenceBackend
from lcnb.regions.region import Pair, Region
from lcnb.regions.triton_support import interpreter_wanted, why_not


class Backend(Protocol):
    """What a kernel author implements; `tests/regions/contract.py` is the contract it has to pass."""

    name: str
    dtypes: frozenset[torch.dtype]
    grouped: bool

    def conv2d(
        self, features: Tensor, region: Region, weight: Tensor, bias: Tensor | None, dilation: Pair, groups: int
    ) -> Tensor:
        """(N, C) -> (N, O), stride 1, centred kernel, zero outside the region."""

    def max_pool2d(self, features: Tensor, region: Region, kernel: Pair, dilation: Pair) -> Tensor:
        """(N, C) -> (N, C), stride 1, -inf outside the region."""

    def avg_pool2d(
        self, features: Tensor, region: Region, kernel: Pair, count_include_pad: bool, divisor: int | None
    ) -> Tensor:
        """(N, C) -> (N, C), stride 1, zero outside the region."""


_GATHER = GatherBackend()
_BACKENDS: dict[str, Backend] = {"gather": _GATHER, "reference": ReferenceBackend()}
TRITON = "triton"
_chosen: ContextVar[str] = ContextVar("lcnb_backend", default="gather")


def backends() -> list[str]:
    """The names that `use_backend` takes here."""
    return sorted({*_BACKENDS, TRITON} - unavailable().keys())


def unavailable() -> dict[str, str]:
    """The backends that cannot run here: name -> why, and what to do."""
    reason = None if TRITON in _BACKENDS else why_not()
    return {} if reason is None else {TRITON: reason}


def register(backend: Backend) -> None:
    """Add a backend, or replace the one of the same name."""
    _BACKENDS[backend.name] = backend


@contextlib.contextmanager
def use_backend(name: str) -> Iterator[None]:
    """Run the region operations inside the `with` block on the named backend (default: gather).

    Raises:
        KeyError: no backend has that name, or it cannot run here; the message says why.
    """
    if name == TRITON:
        _load_triton()
    if name not in _BACKENDS:
        raise KeyError(f"no region backend named {name!r}; there are {', '.join(backends())}")
    token = _chosen.set(name)
    try:
        yield
    finally:
        _chosen.reset(token)


def _load_triton() -> None:
    if TRITON in unavailable():
        raise KeyError(f"the region backend {TRITON!r} cannot run here: {unavailable()[TRITON]}")
    if TRITON not in _BACKENDS:
        from lcnb.regions.triton_backend import TritonBackend  # imports triton

        register(TritonBackend())


def select(dtype: torch.dtype, groups: int = 1) -> Backend:
    """The chosen backend if it declares this dtype and grouping, else `gather`."""
    backend = _BACKENDS[_chosen.get()]
    fits = dtype in backend.dtypes and (groups == 1 or backend.grouped)
    return backend if fits else _GATHER


def fused_kernel(features: Tensor) -> bool:
    """Whether prepared layers (`lcnb.regions.spatial`) run these features on Triton's fused kernel.

    On a GPU wherever triton is there; on a CPU only under its interpreter and inside `use_backend("triton")`.
    """
    if not features.is_cuda:
        return _chosen.get() == TRITON and interpreter_wanted(os.environ)
    if TRITON in unavailable():
        return False
    _load_triton()
    return True
