"""From a batch to the loss of a phase: the one module that several processes share the gradients of.

Shape letters: B images, H, W pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lcnb.models import LayerCascade
from lcnb.models.exits import ExitLedger, max_softmax, thresholds
from lcnb.training.config import TrainConfig
from lcnb.training.losses import imitation, stage_losses
from lcnb.training.phases import Phase


class Objective(nn.Module):
    """The loss of a batch in a phase.

    Args:
        model: the cascade.
        config: for rho, halo, amp, jaccard and imitate.
        weight: (K,) class weights or None.
        ignore_index: target value that counts for nothing.
        teacher: a cascade of the same classes and stride, whose last stage is imitated; it does not learn.
    """

    def __init__(
        self,
        model: LayerCascade,
        config: TrainConfig,
        weight: Tensor | None,
        ignore_index: int,
        teacher: LayerCascade | None = None,
    ) -> None:
        super().__init__()
        self.teacher = None if teacher is None else teacher.requires_grad_(False).eval()
        self.model, self.config, self.ignore_index = model, config, ignore_index
        self.register_buffer("weight", weight, persistent=False)

    def forward(self, x: Tensor, target: Tensor, phase: Phase) -> Tensor:
        """(B, 3, H, W) in [0, 1] and (B, H, W) int64 -> () float32."""
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.config.amp):
            logits, reached = self._logits(x, phase)
            wanted = self._wanted(x)
        weights = list(phase.stage_weights)
        if phase.kind == "single":
            weights = [float(s == phase.stage) for s in range(len(weights))]
        weight: Tensor | None = self.weight  # type: ignore[assignment]
        loss = stage_losses(logits, target, weights, weight, self.ignore_index, reached, self.config.jaccard)
        if wanted is None:
            return loss
        return loss + self.config.imitate * imitation(logits, wanted, weights, reached)

    @torch.no_grad()
    def _wanted(self, x: Tensor) -> Tensor | None:
        """(B, K, h, w): what the teacher says of every cell."""
        return None if self.teacher is None else self.teacher.all_stages(x)[-1]

    def _logits(self, x: Tensor, phase: Phase) -> tuple[list[Tensor], list[Tensor] | None]:
        """The stages' maps and, where the losses are limited to regions, which cells reached them."""
        if phase.kind == "deep":
            return self.model.all_stages(x), None
        if phase.kind == "hard":
            dense = self.model.all_stages(x)
            ledger = ExitLedger(thresholds(self.config.rho, len(dense) - 1), max_softmax)
            for maps in dense:
                ledger.accept(maps.detach())
            return dense, ledger.reached
        until = phase.stage + 1 if phase.kind == "single" else None
        return self.model.stages_on_regions(x, self.config.rho, halo=self.config.halo, until=until)
