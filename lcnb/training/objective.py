"""From a batch to the loss of a phase: the one module that several processes share the gradients of.

Shape letters: B images, H, W pixels, h, w cells, S stages.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lcnb.models import LayerCascade
from lcnb.models.exits import PLANNED_RHO, ExitLedger, PlannedExits, leaves, max_softmax, thresholds
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
            with torch.no_grad():  # (B, K, h, w): what the teacher says of every cell
                wanted = None if self.teacher is None else self.teacher.all_stages(x)[-1]
        weights = list(phase.stage_weights)
        if phase.kind == "single":
            weights = [float(s == phase.stage) for s in range(len(weights))]
        weight: Tensor | None = self.weight  # type: ignore[assignment]
        loss = stage_losses(logits, target, weights, weight, self.ignore_index, reached, self.config.jaccard)
        if wanted is None:
            return loss
        return loss + self.config.imitate * imitation(logits, wanted, weights, reached)

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
        rho, halo = self.config.rho, self.config.halo
        if phase.kind == "shuffled":
            plan = PlannedExits(self._shuffled(x))
            return self.model.stages_on_regions(x, PLANNED_RHO, criterion=plan, halo=halo)
        until = phase.stage + 1 if phase.kind == "single" else None
        return self.model.stages_on_regions(x, rho, halo=halo, until=until)

    @torch.no_grad()
    def _shuffled(self, x: Tensor) -> list[Tensor]:
        """`shuffled_regions` of the batch's own true run, as far as exits are decided in it: without the last stage."""
        limits = thresholds(self.config.rho, self.model.stage_count - 1)
        maps, reached = self.model.stages_on_regions(x, limits, halo=self.config.halo, until=len(limits))
        confidence = [max_softmax(logits) for logits in maps]
        still_open = [*reached[1:], reached[-1] & ~leaves(confidence[-1], limits[len(maps) - 1])]
        return shuffled_regions(still_open, confidence)


def shuffled_regions(still_open: Sequence[Tensor], confidence: Sequence[Tensor]) -> list[Tensor]:
    """Regions of the right size in the wrong place.

    Behind an exit, image i keeps as many cells as stay open in its own true run, those at which image (i + 1) mod B is
    least confident behind that exit; ties go to the cell that comes first. They are taken from the cells that image i
    kept behind the exit before, so regions are nested as true ones are.

    Args:
        still_open: for each exit, the (B, h, w) bool map of cells open behind it in a true run.
        confidence: for each exit, the (B, h, w) confidence of every cell behind it: its own stage's where a cell has
            exited before.

    Returns:
        For each exit, a (B, h, w) bool map with as many cells of each image as `still_open` has.
    """
    kept = torch.ones_like(still_open[0])
    found = []
    for own, sure in zip(still_open, confidence, strict=True):
        wanted = sure.roll(-1, 0).masked_fill(~kept, torch.inf).flatten(1)  # (B, h * w)
        place = wanted.argsort(dim=1, stable=True).argsort(dim=1)  # of each cell, least confident first
        kept = (place < own.flatten(1).sum(1, keepdim=True)).view_as(own)
        found.append(kept)
    return found
