"""LayerCascade: one network in stages, each pixel exits at the first stage that is sure of it.

Shape letters: B images, K classes, H, W pixels, h, w the 1/8 grid, S stages, N open cells.

Stage 1 runs on the whole map. A cell whose confidence is above rho keeps that stage's label and goes no
further; the features of the others are packed into a `RegionTensor`, and stages 2 and 3, their heads
included, run on those cells only (paper, section 3.2 and figure 2).

Two words, everywhere in this project: a **true** run really runs the later stages on regions
(`cascade(x, rho)`); a **cached** one re-thresholds dense stage outputs (`cascade.all_stages(x)`, then
`cascade.rethreshold`). They differ: a cell of a true run no longer sees exited neighbours.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lcnb.models.checks import check_statistics, is_traced
from lcnb.models.exits import Criterion, ExitLedger, max_softmax, thresholds
from lcnb.models.runs import RHO, CascadeRuns, StageLogits
from lcnb.regions import Region, RegionTensor

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class LayerCascade(CascadeRuns):
    """A network cut into stages with a classifier each.

    Args:
        stages: S modules; the first takes (B, 3, H, W) normalised images, the others features. All but the
            first must run on a `RegionTensor`.
        heads: S modules, features -> (B, K, h, w) logits; all must run on a `RegionTensor`.
        rho: the threshold used when a call gives none.
        mean, std: of the input, subtracted and divided inside; any sequence, array or tensor of a number per channel.

    A stage or head that writes into its input (`ReLU(inplace=True)` first) gets a copy. The buffers `mean` and `std`
    have the dtype and device of the stages.

    Raises:
        ValueError: there is not one head per stage, or rho, mean or std are none.

    Attributes:
        global_pool: "active" lets the later stages pool globally over the active cells (squeeze and excitation); at
            "refuse", the default, that raises `RegionOpError`.
        meta: what is known about the weights (classes, data set, licence, numbers); empty for a new network.

    Example:
        >>> cascade = irnet_lc(num_classes=11, width=0.25).eval()
        >>> with torch.inference_mode():
        ...     out = cascade(torch.rand(1, 3, 360, 480), rho=0.985)
        >>> out.labels.shape, out.exits.shape
        (torch.Size([1, 360, 480]), torch.Size([1, 3]))
    """

    global_pool: str = "refuse"

    def __init__(
        self,
        stages: Sequence[nn.Module],
        heads: Sequence[nn.Module],
        rho: float | Sequence[float] = RHO,
        mean: Any = IMAGENET_MEAN,
        std: Any = IMAGENET_STD,
    ) -> None:
        super().__init__()
        if len(stages) != len(heads) or not stages:
            raise ValueError(f"a cascade needs one head for each stage, got {len(stages)} stages, {len(heads)} heads")
        self.stages, self.heads = nn.ModuleList(stages), nn.ModuleList(heads)
        thresholds(rho, len(stages) - 1)
        self.rho = rho
        self.config: dict[str, Any] = {}
        self.meta: dict[str, Any] = {}
        self._writes: dict[tuple[nn.Module, bool, type], bool] = {}
        like = next((p for p in self.stages.parameters() if p.is_floating_point()), torch.zeros(()))
        for name, values in zip(("mean", "std"), check_statistics(mean, std), strict=True):
            exact = torch.tensor(values, dtype=torch.float64)
            self.register_buffer(name, exact.to(like).view(1, -1, 1, 1), persistent=False)

    def _walk(self, x: Tensor, ledger: ExitLedger, halo: int) -> Iterator[Tensor]:
        features: Any = self.stages[0](self.normalise(x))
        still_open = ledger.accept(self._run(self.heads[0], features))
        yield torch.ones(x.shape[0], device=x.device)
        for stage, head in zip(self.stages[1:], self.heads[1:], strict=True):
            region = Region(still_open)
            if len(region) == 0:
                return
            grown = region.grow(halo)
            grown.pools = self.global_pool == "active"
            if isinstance(features, RegionTensor):
                features = features.restrict(grown)
            elif not grown.is_full:  # no cell has exited: the dense form gives the same, faster
                features = RegionTensor.from_dense(features, grown)
            features = self._run(stage, features)
            logits = self._run(head, features)
            still_open = ledger.accept(logits.to_dense() if isinstance(logits, RegionTensor) else logits)
            yield grown.counts() / max(1, still_open[0].numel())

    def _run(self, part: nn.Module, x: Any) -> Any:
        """A later stage or a head on a map that others read too: on a copy of it, if the part writes into its input.

        Whether it does is noted at its first run in each mode, by the count of changes that torch keeps.
        """
        if is_traced() or torch.compiler.is_compiling():
            return part(x.clone())
        key = (part, part.training, type(x))
        if not self._writes.get(key, True):
            return part(x)
        with torch.inference_mode(False):  # changes of an inference tensor are not counted
            given = x.clone()
        held = getattr(given, "features", given)
        before = held._version
        found = part(given)
        if key not in self._writes:
            self._writes[key] = held._version != before or getattr(given, "features", given) is not held
        return found

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
            S maps (B, K, h, w); a plain tuple where `torch.jit.trace` or `torch.export` records it.
        """
        features, maps = self.normalise(x), []
        for s, (stage, head) in enumerate(zip(self.stages, self.heads, strict=True)):
            features = self._run(stage, features) if s else stage(features)
            maps.append(self._run(head, features))
        return tuple(maps) if is_traced() else StageLogits(maps, x.shape[2:])  # type: ignore[return-value]

    def for_inference(
        self,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
        compile: bool | str = "auto",
        *,
        native: bool = True,
    ) -> CascadeRuns:
        """The same network prepared for inference: folded, fused, on packed rows (`lcnb.models.inference`).

        It gives the same answers up to rounding, and does not follow later changes of these weights.

        Args:
            dtype: of weights and features: float32, or bfloat16 where the processor has it.
            device: where it is to run; where these weights are if None.
            compile: stage 1, which every image runs whole, through `torch.compile`: True, False or "auto", which does
                so on a GPU where triton is there. It compiles at the first image, and at the first of another size.
            native: float32 on a CPU runs by kernels of ours (`lcnb.regions.native`), which this machine's C compiler
                compiles at their first use; where there is none (`lcnb info` says why), and if False, by torch's
                operations.

        Raises:
            FusionError: a stage holds a module that has no fused form, or the dtype is none of a network.
            ValueError: `compile` is something else.
            CompileError: at the first image, where `compile` is True and stage 1 cannot be compiled.
        """
        return self.preparation(self, dtype, device, compile, native)

    preparation: ClassVar[Callable[..., CascadeRuns]]
    """Makes the prepared form; `lcnb.models.inference`, which needs this class, sets it."""
