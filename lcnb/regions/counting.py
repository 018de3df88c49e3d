"""What an operator of ours counts as, for `torch.utils.flop_counter.FlopCounterMode` of every torch from 2.4 on.

That module imports triton where it is installed, and lcnb imports neither before it has to: a formula waits until the
counter is there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

_WAITING: list[tuple[Any, Callable[..., int]]] = []


def counts_as(operator: Any) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Decorates the formula of an operator, `torch.ops.lcnb.NAME`.

    The formula takes shapes where the operator takes tensors, and returns operations, two for each multiply-add.
    """

    def keep(formula: Callable[..., int]) -> Callable[..., int]:
        _WAITING.append((operator, formula))
        tell_counter()
        return formula

    return keep


def tell_counter() -> None:
    """Give the formulas to torch's counter if that has been imported: to be called before an operator runs."""
    if not _WAITING or "torch.utils.flop_counter" not in sys.modules:
        return
    from torch.utils.flop_counter import flop_registry, register_flop_formula, shape_wrapper

    while _WAITING:
        operator, formula = _WAITING.pop()
        register_flop_formula(operator)(formula)
        if operator not in flop_registry:  # torch 2.4 keeps it by another name than it looks for
            flop_registry[operator] = shape_wrapper(formula)
