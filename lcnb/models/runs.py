"""What every form of a cascade can do: a true run, and the cached view.

Shape letters: B images, K classes, H, W pixels, h, w the 1/8 grid, S stages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lcnb.models.checks import check_image, check_maps, check_not_traced
from lcnb.models.exits import CascadeOutput, Criterion, ExitLedger, max_softmax, thresholds

RHO = 0.985
"""The paper's threshold (section 4, table 1)."""


class StageLogits(list[Tensor]):
    """The S dense logit maps, (B, K, h, w) each, and `size`, the (H, W) of the input they came from."""

    def __init__(self, maps: Sequence[Tensor], size: Sequence[int]) -> None:
        super().__init__(maps)
        self.size = (int(size[0]), int(size[1]))


class CascadeRuns(nn.Module):
    """What every form of a cascade can do, given its `_walk`.

    Attributes:
        rho: the threshold used when a call gives none; one for all exits or one each.
        halo: the halo of a true run when a call gives none; weights may bring one that was chosen with rho.
        meta: what is known about the weights (classes, data set, licence, numbers); empty for a new network.
        config: how to build the network again; empty where nothing is known.
    """

    mean: Tensor
    std: Tensor
    rho: float | Sequence[float]
    halo: int = 0
    meta: dict[str, Any]
    config: dict[str, Any]

    @property
    def stage_count(self) -> int:
        """S."""
        return len(self.network.stages)

    @property
    def network(self) -> Any:
        """The `LayerCascade` whose modules these runs are made of."""
        return self

    def _walk(self, x: Tensor, ledger: ExitLedger, halo: int) -> Iterator[Tensor]:
        """Run stage after stage on what is still open; yields the (B,) fraction of the cells that each computed."""
        raise NotImplementedError

    def all_stages(self, x: Tensor) -> StageLogits:
        """Every stage on every cell; as a plain tuple where `torch.jit.trace` or `torch.export` records it."""
        raise NotImplementedError

    def normalise(self, x: Tensor) -> Tensor:
        """RGB in [0, 1] -> what stage 1 takes, in channels-last memory.

        Raises:
            TypeError: `x` is no tensor, or holds whole numbers.
            ValueError: `x` is not (B, 3, H, W) with at least one pixel, goes up to 255, or is clearly negative (looked
                for on a CPU only: to look at a GPU's pixels is to wait for it).
        """
        check_image(x, self.mean)
        normal = (x - self.mean) / self.std
        return normal.to(self.mean.dtype).contiguous(memory_format=torch.channels_last)

    def forward(
        self,
        x: Tensor,
        rho: float | Sequence[float] | None = None,
        *,
        criterion: Criterion = max_softmax,
        halo: int | None = None,
        mark: Callable[[], object] | None = None,
    ) -> CascadeOutput:
        """A true run.

        Args:
            x: (B, 3, H, W) RGB in [0, 1].
            rho: threshold in [0, 1], one for all exits or one each; the cascade's own if None.
            criterion: (B, K, h, w) logits -> (B, h, w) confidence in [0, 1].
            halo: run a stage on its region grown by this many cells; decide inside the region only. The
                extra cells are charged in `.work`. The cascade's own if None.
            mark: for timing; called at the start, behind each stage that had work, and behind the labels.

        Raises:
            ValueError: rho is outside [0, 1], or the input has another shape.
            TraceError: it is being traced or exported; `all_stages` can be.
        """
        check_not_traced("a true run")
        limits = thresholds(self.rho if rho is None else rho, self.stage_count - 1)
        ledger = ExitLedger(limits, criterion)
        tick = mark or (lambda: None)
        tick()
        work = []
        for share in self._walk(x, ledger, self.halo if halo is None else halo):
            work.append(share)
            tick()
        work += [torch.zeros_like(work[0])] * (self.stage_count - len(work))
        out = ledger.close(x.shape[2:], "true", torch.stack(work, dim=1))
        tick()
        return out

    def rethreshold(
        self,
        logits: Sequence[Tensor],
        rho: float | Sequence[float] | None = None,
        *,
        criterion: Criterion = max_softmax,
        size: Sequence[int] | None = None,
    ) -> CascadeOutput:
        """The cached view: cut dense stage outputs at rho without running anything again.

        Args:
            logits: S maps (B, K, h, w), as `all_stages` returns them.
            rho, criterion: as for a true run.
            size: (H, W) of `.labels`; by default that of the input to `all_stages`, else 8 h x 8 w.

        Raises:
            ValueError: rho is outside [0, 1], or there is not one map per stage.
        """
        if isinstance(logits, Sequence) and len(logits) not in (0, self.stage_count):
            raise ValueError(f"this cascade has {self.stage_count} stages, got the logits of {len(logits)}")
        return rethreshold(logits, self.rho if rho is None else rho, criterion=criterion, size=size)


def rethreshold(
    logits: Sequence[Tensor],
    rho: float | Sequence[float] = RHO,
    *,
    criterion: Criterion = max_softmax,
    size: Sequence[int] | None = None,
) -> CascadeOutput:
    """As `LayerCascade.rethreshold`, for logits without their network."""
    check_maps(logits, size)
    ledger = ExitLedger(thresholds(rho, len(logits) - 1), criterion)
    for stage_logits in logits:
        ledger.accept(stage_logits)
    h, w = logits[0].shape[2:]
    default = logits.size if isinstance(logits, StageLogits) else (8 * h, 8 * w)
    return ledger.close(default if size is None else size, "cached")
