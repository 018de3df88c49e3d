"""Stage 1 compiled: the part of a cascade that no exit makes smaller.

Shape letters: B images, C channels, K classes, h, w the 1/8 grid, H, W pixels.

Every image runs stage 1 on all its cells, in shapes that do not change from image to image: what `torch.compile`
is good at. The later stages have another number of rows in each image and stay as they are.
"""

from __future__ import annotations

import importlib.util
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from lcnb.errors import LcnbError, first_line
from lcnb.models.folding import folded

AUTO = "auto"


class CompileError(LcnbError, RuntimeError):
    """Stage 1 cannot be compiled here."""


def wanted(compile: bool | str, device: torch.device) -> bool:
    """Whether stage 1 is to be compiled.

    Args:
        compile: as told, or "auto": on a GPU where triton is there. On a CPU that takes seconds for every new size of
            image and needs a C++ compiler, so there it is done only when asked for.
        device: where it will run.

    Raises:
        ValueError: it is neither a bool nor "auto".
    """
    if isinstance(compile, bool):
        return compile
    if compile != AUTO:
        raise ValueError(f'compile is True, False or "{AUTO}", got {compile!r}')
    return device.type == "cuda" and importlib.util.find_spec("triton") is not None


class Dense(nn.Module):
    """Stage 1 and its classifier on a whole image, batch-norm folded.

    Args:
        cascade: not changed.
        dtype: of weights and features.
    """

    def __init__(self, cascade: Any, dtype: torch.dtype) -> None:
        super().__init__()
        self.stage, self.head = folded(cascade.stages[0], dtype), folded(cascade.heads[0], dtype)
        self.dtype, self.mean, self.std = dtype, cascade.mean.detach().clone(), cascade.std.detach().clone()

    def forward(self, x: Tensor, classify: bool) -> tuple[Tensor, Tensor | None]:
        """(B, 3, H, W) in [0, 1] -> (B, C, h, w) features and, where wanted, (B, K, h, w) logits."""
        normal = ((x - self.mean) / self.std).to(self.dtype)
        features = self.stage(normal.contiguous(memory_format=torch.channels_last))
        return features, self.head(features) if classify else None


class Entry:
    """`Dense`, compiled when it meets its first image.

    Args:
        dense: in evaluation mode.
        needed: whether it is an error if it cannot be compiled; otherwise it then runs as it is, with a warning.
    """

    def __init__(self, dense: Dense, needed: bool) -> None:
        self.dense, self.needed = dense, needed
        self._run: Any = torch.compile(dense)
        self._proved = False

    def __call__(self, x: Tensor, classify: bool) -> tuple[Tensor, Tensor | None]:
        """As `Dense.forward`.

        Raises:
            CompileError: there is no compiler, or it fails.
        """
        if self._proved:
            return self._run(x, classify)
        try:
            found = self._run(x, classify)
        except Exception as error:  # a compiler's exceptions are its own
            self._give_up(error)
            found = self._run(x, classify)  # an error of the network itself comes again
        self._proved = True
        return found

    def _give_up(self, error: Exception) -> None:
        sentence = f"torch.compile cannot compile stage 1 here ({first_line(error):.200})"
        if self.needed:
            raise CompileError(f"{sentence}; prepare the cascade with compile=False") from None
        warnings.warn(f"{sentence}; it runs as it is", RuntimeWarning, stacklevel=4)
        self._run = self.dense
