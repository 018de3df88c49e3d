"""Whether the `triton` backend can run here. Nothing in this file imports triton unless all else is well."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Mapping

import torch

from lcnb.machine import version
from lcnb.paths import extra

OLDEST = (3, 2)
"""Of Triton, whose tuner lets us measure for ourselves; it comes with torch 2.6."""
_TRUE = frozenset({"1", "true", "yes", "on", "y"})  # what triton itself takes for true


def interpreter_wanted(environment: Mapping[str, str]) -> bool:
    """Whether TRITON_INTERPRET asks for Triton's interpreter. Triton reads it when it is imported."""
    return environment.get("TRITON_INTERPRET", "").lower() in _TRUE


def why_not() -> str | None:
    """Why the `triton` backend is not available, and what to do; None if it is."""
    if importlib.util.find_spec("triton") is None:
        return f"the package triton is not installed: on Linux, `{extra('triton')}`"
    if _too_old(version("triton")):
        return f"triton {version('triton')} is too old: 3.2, which comes with torch 2.6, is the oldest that can be used"
    if not torch.cuda.is_available() and not interpreter_wanted(os.environ):
        return "there is no CUDA device; TRITON_INTERPRET=1 checks its kernels on a CPU, slowly"
    try:
        importlib.import_module("triton")
    except Exception as error:  # a broken installation may raise anything
        return f"triton cannot be imported ({type(error).__name__}: {error}): install it anew"
    return None


def _too_old(found: str | None) -> bool:
    """Whether this version of Triton is before `OLDEST`; one that cannot be told is tried."""
    numbers = [int(n) for n in (found or "").split(".")[:2] if n.isdigit()]
    return len(numbers) == 2 and tuple(numbers) < OLDEST
