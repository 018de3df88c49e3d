"""Whether the `triton` backend can run here. Nothing in this file imports triton unless all else is well."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Mapping

import torch

_TRUE = frozenset({"1", "true", "yes", "on", "y"})  # what triton itself takes for true


def interpreter_wanted(environment: Mapping[str, str]) -> bool:
    """Whether TRITON_INTERPRET asks for Triton's interpreter. Triton reads it when it is imported."""
    return environment.get("TRITON_INTERPRET", "").lower() in _TRUE


def why_not() -> str | None:
    """Why the `triton` backend is not available, and what to do; None if it is."""
    if importlib.util.find_spec("triton") is None:
        return 'the package triton is not installed: on Linux, `pip install "lcnb[triton]"`'
    if not torch.cuda.is_available() and not interpreter_wanted(os.environ):
        return "there is no CUDA device; TRITON_INTERPRET=1 checks its kernels on a CPU, slowly"
    try:
        importlib.import_module("triton")
    except Exception as error:  # a broken installation may raise anything
        return f"triton cannot be imported ({type(error).__name__}: {error}): install it anew"
    return None
