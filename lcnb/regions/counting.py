"""What an operator of ours counts as, for `torch.utils.flop_counter.FlopCounterMode` of every torch from 2.4 on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.utils.flop_counter import flop_registry, register_flop_formula, shape_wrapper


def counts_as(operator: Any) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Decorates the formula of an operator, `torch.ops.lcnb.NAME`.

    The formula takes shapes where the operator takes tensors, and returns operations, two for each multiply-add.
    """

    def keep(formula: Callable[..., int]) -> Callable[..., int]:
        register_flop_formula(operator)(formula)
        if operator not in flop_registry:  # torch 2.4 keeps it by another name than it looks for
            flop_registry[operator] = shape_wrapper(formula)
        return formula

    return keep
