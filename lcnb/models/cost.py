"""What each stage costs, counted by PyTorch itself.

MAC = one multiply-accumulate; a FLOP count would be twice as large. Convolutions and matrix products are
counted, batch-norm, ReLU and pooling are not, as in the numbers of the field.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from lcnb.models.runs import CascadeRuns


@dataclass(frozen=True)
class CascadeCost:
    """Dense multiply-accumulates of one image.

    Attributes:
        stages: of each stage's backbone.
        heads: of each stage's classifier.
    """

    stages: tuple[int, ...]
    heads: tuple[int, ...]

    @property
    def dense(self) -> int:
        """All stages and heads on every cell: the deeply supervised network."""
        return sum(self.stages) + sum(self.heads)

    @property
    def single_head(self) -> int:
        """The plain network: all stages, the last head only."""
        return sum(self.stages) + self.heads[-1]

    def of(self, work: Tensor) -> Tensor:
        """Multiply-accumulates of a run that computed these fractions of the cells.

        Args:
            work: (B, S) fraction of cells each stage computed, `CascadeOutput.work`.

        Returns:
            (B,) float64; in main memory where the device knows no float64 (MPS).
        """
        if work.device.type == "mps":
            work = work.cpu()
        each = [a + b for a, b in zip(self.stages, self.heads, strict=True)]
        return work.double() @ torch.tensor(each, dtype=torch.float64, device=work.device)


@torch.inference_mode(False)  # torch 2.4 counts nothing in inference mode
@torch.no_grad()
def cascade_cost(cascade: CascadeRuns, height: int, width: int) -> CascadeCost:
    """Count the dense cost of a (height, width) image, without computing anything (meta tensors)."""
    model = copy.deepcopy(cascade.network).to("meta").eval()
    features = model.normalise(torch.empty(1, 3, height, width, device="meta"))
    stages, heads = [], []
    for stage, head in zip(model.stages, model.heads, strict=True):
        features, count = _count(stage, features)
        stages.append(count)
        heads.append(_count(head, features)[1])
    return CascadeCost(tuple(stages), tuple(heads))


@torch.inference_mode(False)
@torch.no_grad()
def count_macs(module: torch.nn.Module, x: Tensor) -> int:
    """Multiply-accumulates of one call, counted on a copy without computing anything.

    Args:
        module: any; not changed.
        x: of the shape it takes, on the meta device.
    """
    return _count(copy.deepcopy(module).to("meta").eval(), torch.empty_like(x, device="meta"))[1]


def _count(module: torch.nn.Module, x: Tensor) -> tuple[Tensor, int]:
    with FlopCounterMode(display=False) as counter:
        out = module(x)
    return out, counter.get_total_flops() // 2
