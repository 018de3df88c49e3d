"""LayerCascade: one network in stages, each pixel leaves at the first stage that is sure of it.

Shape letters: B images, K classes, H, W pixels, h, w the 1/8 grid, S stages, N open cells.

Stage 1 runs on the whole map. A cell whose confidence is above rho keeps that stage's label and goes no
further; the features of the others are packed into a `RegionTensor`, and stages 2 and 3, their heads
included, run on those cells only (paper, section 3.2 and figure 2).

Two words, everywhere in this project: a **true** run really runs the later stages on regions
(`cascade(x, rho)`); a **cached** one re-thresholds dense stage outputs (`cascade.all_stages(x)`, then
`cascade.rethreshold`). They differ: a cell of a true run no longer sees neighbours that have left.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lcnb.models import inception
from lcnb.models.checks import check_maps, check_picture
from lcnb.models.exits import CascadeOutput, Criterion, ExitLedger, max_softmax, thresholds
from lcnb.models.inception import inception_stages
from lcnb.models.irnet import IRNetConfig, initialise, irnet_stages
from lcnb.regions import Region, RegionTensor

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
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
        meta: what is known about the weights (classes, data set, licence, numbers); empty for a new network.
        config: how to build the network again; empty where nothing is known.
    """

    mean: Tensor
    std: Tensor
    rho: float | Sequence[float]
    meta: dict[str, Any]
    config: dict[str, Any]

    @property
    def stage_count(self) -> int:
        """S."""
        raise NotImplementedError

    def _walk(self, x: Tensor, ledger: ExitLedger, halo: int) -> Iterator[Tensor]:
        """Run stage after stage on what is still open; yields the (B,) share of the cells that each computed."""
        raise NotImplementedError

    def all_stages(self, x: Tensor) -> StageLogits:
        """Every stage on every cell."""
        raise NotImplementedError

    def normalise(self, x: Tensor) -> Tensor:
        """RGB in [0, 1] -> what stage 1 takes, in channels-last memory.

        Raises:
            TypeError: `x` is no tensor, or holds whole numbers.
            ValueError: `x` is not (B, 3, H, W) with at least one pixel, or goes up to 255 (looked for on a CPU only:
                to look at a GPU's pixels is to wait for it).
        """
        check_picture(x, self.mean.shape[1])
        normal = (x - self.mean) / self.std
        return normal.to(self.mean.dtype).contiguous(memory_format=torch.channels_last)

    def forward(
        self,
        x: Tensor,
        rho: float | Sequence[float] | None = None,
        *,
        criterion: Criterion = max_softmax,
        halo: int = 0,
        mark: Callable[[], object] | None = None,
    ) -> CascadeOutput:
        """A true run.

        Args:
            x: (B, 3, H, W) RGB in [0, 1].
            rho: threshold in [0, 1], one for all exits or one each; the cascade's own if None.
            criterion: (B, K, h, w) logits -> (B, h, w) confidence in [0, 1].
            halo: run a stage on its region grown by this many cells; decide inside the region only. The
                extra cells are charged in `.work`.
            mark: for timing; called at the start, behind each stage that had work, and behind the labels.

        Raises:
            ValueError: rho is outside [0, 1], or the input has another shape.
        """
        limits = thresholds(self.rho if rho is None else rho, self.stage_count - 1)
        ledger = ExitLedger(limits, criterion)
        tick = mark or (lambda: None)
        tick()
        work = []
        for share in self._walk(x, ledger, halo):
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


class LayerCascade(CascadeRuns):
    """A network cut into stages with a classifier each.

    Args:
        stages: S modules; the first takes (B, 3, H, W) normalised images, the others features. All but the
            first must run on a `RegionTensor`.
        heads: S modules, features -> (B, K, h, w) logits; all must run on a `RegionTensor`.
        rho: the threshold used when a call gives none.
        mean, std: of the RGB input, subtracted and divided inside.

    Attributes:
        meta: what is known about the weights (classes, data set, licence, numbers); empty for a new network.

    Example:
        >>> cascade = irnet_lc(num_classes=11, width=0.25).eval()
        >>> with torch.inference_mode():
        ...     out = cascade(torch.rand(1, 3, 360, 480), rho=0.985)
        >>> out.labels.shape, out.exits.shape
        (torch.Size([1, 360, 480]), torch.Size([1, 3]))
    """

    def __init__(
        self,
        stages: Sequence[nn.Module],
        heads: Sequence[nn.Module],
        rho: float | Sequence[float] = RHO,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        super().__init__()
        if len(stages) != len(heads) or not stages:
            raise ValueError(f"a cascade needs one head for each stage, got {len(stages)} stages, {len(heads)} heads")
        self.stages, self.heads = nn.ModuleList(stages), nn.ModuleList(heads)
        self.rho = rho
        self.config: dict[str, Any] = {}
        self.meta: dict[str, Any] = {}
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    @property
    def stage_count(self) -> int:
        """S."""
        return len(self.stages)

    def _walk(self, x: Tensor, ledger: ExitLedger, halo: int) -> Iterator[Tensor]:
        features: Any = self.stages[0](self.normalise(x))
        still_open = ledger.accept(self.heads[0](features))
        yield torch.ones(x.shape[0], device=x.device)
        for stage, head in zip(self.stages[1:], self.heads[1:], strict=True):
            region = Region(still_open)
            if len(region) == 0:
                return
            grown = region.grow(halo)
            if isinstance(features, RegionTensor):
                features = features.restrict(grown)
            elif not grown.is_full:  # nobody has left: the dense form gives the same, sooner
                features = RegionTensor.from_dense(features, grown)
            features = stage(features)
            logits = head(features)
            still_open = ledger.accept(logits.to_dense() if isinstance(logits, RegionTensor) else logits)
            yield grown.counts() / max(1, still_open[0].numel())

    def stages_on_regions(
        self,
        x: Tensor,
        rho: float | Sequence[float],
        *,
        criterion: Criterion = max_softmax,
        halo: int = 0,
        until: int | None = None,
    ) -> tuple[StageLogits, list[Tensor]]:
        """A true run that keeps what each stage said, for cascade training (paper, section 3.4).

        Args:
            x, rho, criterion, halo: as for a true run.
            until: stop behind this many stages.

        Returns:
            Up to S maps (B, K, h, w), one for each stage that had work: its own logits at the cells that reached it,
            elsewhere those the cell left with, detached; and as many (B, h, w) bool maps of the cells that reached it.
        """
        ledger = ExitLedger(thresholds(rho, len(self.stages) - 1), criterion)
        maps: list[Tensor] = []
        for _ in itertools.islice(self._walk(x, ledger, halo), until):
            assert ledger.logits is not None
            maps.append(ledger.logits)
            ledger.logits = ledger.logits.detach()
        return StageLogits(maps, x.shape[2:]), ledger.reached

    def all_stages(self, x: Tensor) -> StageLogits:
        """The deeply supervised view: every stage on every cell.

        Args:
            x: (B, 3, H, W) RGB in [0, 1].

        Returns:
            S maps (B, K, h, w).
        """
        features, maps = self.normalise(x), []
        for stage, head in zip(self.stages, self.heads, strict=True):
            features = stage(features)
            maps.append(head(features))
        return StageLogits(maps, x.shape[2:])

    def for_inference(
        self,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
        compile: bool | str = "auto",
        *,
        measure: bool = True,
    ) -> CascadeRuns:
        """The same network prepared for inference: folded, fused, on packed rows (`lcnb.models.fused`).

        It gives the same answers up to rounding, and does not follow later changes of these weights.

        Args:
            dtype: of weights and features: float32, or bfloat16 where the processor has it.
            device: where it is to run; where these weights are if None.
            compile: stage 1, which every picture runs whole, through `torch.compile`: True, False or "auto", which does
                so on a GPU where triton is there. It compiles at the first picture, and at the first of another size.
            measure: choose how each layer runs by what is sooner on this machine (`lcnb.models.breakeven`): the first
                time that takes a moment, and is kept on disk (`LCNB_CACHE`). If False, by two fixed shares.

        Raises:
            FusionError: a stage holds a module that has no fused form, or the dtype is none of a network.
            ValueError: `compile` is something else.
            CompileError: at the first picture, where `compile` is True and stage 1 cannot be compiled.
        """
        from lcnb.models import breakeven, entry  # they need this class
        from lcnb.models.fused import FusedCascade

        where = self.mean.device if device is None else torch.device(device)
        source = self if where == self.mean.device else copy.deepcopy(self).to(where)
        prepared = FusedCascade(source, dtype).eval()
        if entry.wanted(compile, where):
            prepared.entry = entry.Entry(entry.Dense(source, dtype).eval(), needed=compile is True)
        if measure:
            breakeven.settle(list(prepared.spatial()), dtype, where)
        return prepared


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


def irnet_lc(num_classes: int = 21, width: float = 1.0, *, variant: str = "paper", **knobs: Any) -> LayerCascade:
    """IRNet as a three-stage cascade, randomly initialised (paper, figure 2).

    The paper starts from ImageNet weights of its own 5/10/5 network; they were never released, and no other public
    ImageNet weights fit it. `variant="timm"` is the cascade on the Inception-ResNet-v2 that has some, at twice the
    depth and stride 8 by dilation (`lcnb.models.inception`); `lcnb.imagenet.start` fills it.

    Args:
        num_classes: K.
        width: factor on every branch's channels; 1.0 is the paper's network, .25 fits a laptop.
        variant: "paper", or "timm" for the network that public ImageNet weights fit (at width 1).
        knobs: other fields of `IRNetConfig`; "timm" has other defaults of `blocks` and `dilation`.

    Raises:
        ValueError, TypeError: a knob is out of range or unknown.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant is one of {', '.join(VARIANTS)}; got {variant!r}")
    network = VARIANTS[variant]
    config = IRNetConfig(**{"num_classes": num_classes, "width": width, **network.defaults, **knobs})
    stages, heads = network.stages(config)
    cascade = LayerCascade(stages, heads, mean=network.mean, std=network.std)
    initialise(cascade)
    cascade.config = {
        "network": network.name,
        **{k: list(v) if isinstance(v, tuple) else v for k, v in vars(config).items()},
    }
    return cascade.to(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Variant:
    """A network that `irnet_lc` builds.

    Attributes:
        name: as `config["network"]` and a file of weights have it.
        stages: builds the stages and the heads.
        defaults: knobs that differ from `IRNetConfig`'s defaults.
        mean, std: of its RGB input.
    """

    name: str
    stages: Callable[[IRNetConfig], tuple[list[nn.Sequential], list[nn.Sequential]]]
    defaults: dict[str, Any]
    mean: Sequence[float] = IMAGENET_MEAN
    std: Sequence[float] = IMAGENET_STD


VARIANTS = {
    "paper": Variant("irnet_lc", irnet_stages, {}),
    "timm": Variant("irnet_lc-timm", inception_stages, inception.DEFAULTS, inception.MEAN, inception.STD),
}
"""By what the argument `variant` of `irnet_lc` calls them."""
