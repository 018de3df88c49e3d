"""From a batch to the loss of a phase: the one module that several processes share the gradients of.

Shape letters: B images, H, W pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lcnb.models import LayerCascade
from lcnb.models.exits import ExitLedger, max_softmax, thresholds
from lcnb.training.config import TrainConfig
from lcnb.training.losses import stage_losses
from lcnb.training.phases import Phase


class Objective(nn.Module):
    """The loss of a batch in a phase.

    Args:
        model: the cascade.
        config: for rho, halo, amp and jaccard.
        weight: (K,) class weights or None.
        ignore_index: target value that counts for nothing.
    """

    def __init__(self, model: LayerCascade, config: TrainConfig, weight: Tensor | None, ignore_index: int) -> None:
        super().__init__()
        self.model, self.config, self.ignore_index = model, config, ignore_index
        self.register_buffer("weight", weight, persistent=False)

    def forward(self, x: Tensor, target: Tensor, phase: Phase) -> Tensor:
        """(B, 3, H, W) in [0, 1] and (B, H, W) int64 -> () float32."""
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.config.amp):
            logits, reached = self._logits(x, phase)
        weights = list(phase.stage_weights)
        if phase.kind == "single":
            weights = [float(s == phase.stage) for s in range(len(weights))]
        weight: Tensor | None = self.weight  # type: ignore[assignment]
        return stage_losses(logits, target, weights, weight, self.ignore_index, reached, self.config.jaccard)

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
