"""A cascade prepared for inference: behind the stem everything runs on packed rows of the open cells.

Shape letters: B images, K classes, C channels, h, w the grid, N open cells, S stages.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any, cast

import torch
from torch import Tensor

from lcnb.models import compiling
from lcnb.models.cascade import LayerCascade
from lcnb.models.checks import check_image, check_not_traced
from lcnb.models.exits import ExitLedger
from lcnb.models.fusing import Fused, FusionError
from lcnb.models.runs import CascadeRuns, StageLogits
from lcnb.regions import Region
from lcnb.regions.rows import Layer
from lcnb.regions.workspace import Memory, Workspace, teach_allocator

EXAMPLE = 64
"""Pixels a side of the example with which stages are traced."""


class FusedCascade(CascadeRuns):
    """What `LayerCascade.for_inference` returns: the same answers, faster.

    Args:
        cascade: in any mode; it is copied, so later changes of its weights do not arrive here.
        dtype: of weights and features: float32, bfloat16 or float16. Confidence is always float32.
        native: by kernels of ours, where there are any.
        compile: stage 1 and its classifier through `torch.compile` (`lcnb.models.compiling`), in place of rows.
        required: whether it is an error if they cannot be compiled; they then run as they are, with a warning.

    Attributes:
        cascade: the copy. Moving or casting this network moves or casts it, and prepares it anew.

    Raises:
        FusionError: a stage holds a module that cannot run on regions; the message names it.
    """

    def __init__(
        self,
        cascade: LayerCascade,
        dtype: torch.dtype = torch.float32,
        native: bool = True,
        *,
        compile: bool = False,
        required: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
            raise FusionError(f"dtype is torch.float32 or torch.bfloat16, got {dtype!r}")
        self.cascade = copy.deepcopy(cascade).eval().float().requires_grad_(False)
        self.rho, self.halo, self.meta, self.config = cascade.rho, cascade.halo, cascade.meta, cascade.config
        self.dtype, self._native, self._compile, self._required = dtype, native, compile, required
        self._prepare()

    def _prepare(self) -> None:
        """Trace the stages and classifiers."""
        device = self.mean.device
        with torch.inference_mode(False), torch.no_grad(), torch.autocast(device.type, enabled=False):
            dense = compiling.Dense(self.cascade, self.dtype).eval() if self._compile else None
            self.entry = None if dense is None else compiling.Entry(dense, self._required)
            self.steps = dict[int, tuple[Fused, Fused]]()
            features = torch.zeros(1, self.mean.shape[1], EXAMPLE, EXAMPLE, device=device, dtype=torch.float32)
            for s, (stage, head) in enumerate(zip(self.cascade.stages, self.cascade.heads, strict=True)):
                # Buffers of its own: a stage reads the rows of the one before while it writes.
                fused = Fused(stage, features, self.dtype, f"stage {s}", first=s == 0)
                features = fused.result
                self.steps[s] = (fused, Fused(head, features, self.dtype, "head", keeps=True))
            if self.entry is not None:  # which has the weights of stage 1 already
                del self.steps[0]
            for layer in self.layers():
                layer.use_kernels(self._native)
        self._memory, self._last = Memory(), cast(Region | None, None)
        teach_allocator(device)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> FusedCascade:
        wanted = fn(torch.zeros(1, dtype=self.dtype, device=self.mean.device))
        self.cascade.to(wanted.device)  # its weights stay float32: they are folded, then rounded once
        self.dtype = wanted.dtype
        self._prepare()
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("steps", "entry", "_memory", "_last")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._prepare()

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        """(1, 3, 1, 1), of the RGB input."""
        return self.cascade.mean

    @property
    def std(self) -> Tensor:  # type: ignore[override]
        """(1, 3, 1, 1)."""
        return self.cascade.std

    @property
    def network(self) -> LayerCascade:
        """The cascade as modules: what a run costs is counted with them."""
        return self.cascade

    def for_inference(self, **options: Any) -> CascadeRuns:
        """Itself, or prepared anew where options (those of `LayerCascade.for_inference`) are given."""
        return self.cascade.for_inference(**options) if options else self

    @property
    def stem(self) -> Any:
        """Images to the maps with which the rows of stage 1 begin."""
        return self.steps[0][0].stem

    def layers(self) -> Iterator[Layer]:
        """Every convolution and pool of its programs."""
        for step in self.steps.values():
            for fused in step:
                yield from fused.program.layers()

    def _walk(self, x: Tensor, ledger: ExitLedger, halo: int) -> Iterator[Tensor]:
        with torch.autocast(self.mean.device.type, enabled=False):
            rows, region, maps = self._first(x, classify=not ledger.rho or ledger.rho[0] < 1)
        _note(ledger, maps, region)
        yield torch.ones(x.shape[0], device=x.device)
        for s in range(1, self.stage_count):
            wanted = Region(ledger.open)  # type: ignore[arg-type]
            if len(wanted) == 0:
                return
            skipped = s < len(ledger.rho) and ledger.rho[s] == 1
            with torch.autocast(self.mean.device.type, enabled=False):
                rows, region = self._restricted(rows, region, wanted.grow(halo), s)
                rows, maps = self.stage(s, rows, region, classify=not skipped)
            _note(ledger, maps, region)
            yield region.counts() / max(1, region.shape[1] * region.shape[2])

    @torch.no_grad()
    def all_stages(self, x: Tensor) -> StageLogits:
        """Every stage on every cell: S maps (B, K, h, w).

        Raises:
            TraceError: it is being traced or exported; the cascade that it was made of can be.
        """
        check_not_traced("a prepared network")
        with torch.autocast(self.mean.device.type, enabled=False):
            rows, region, first = self._first(x, classify=True)
            maps = [first]
            for s in range(1, self.stage_count):
                rows, found = self.stage(s, rows, region, classify=True)
                maps.append(found)
        return StageLogits(maps, x.shape[2:])  # type: ignore[arg-type]

    @torch.no_grad()
    def _first(self, x: Tensor, classify: bool) -> tuple[Tensor, Region, Tensor | None]:
        """Stage 1: its rows, the region of all cells and, where wanted, its (B, K, h, w) logits."""
        if self.entry is not None:
            check_image(x, self.mean)
            features, maps = self.entry(x, classify)
            rows, region = self._rows_of(features, "stage 0 entry")
            return rows, region, maps
        given = [
            self._rows_of(m, f"stage 0 entry {i}") for i, m in enumerate(self.stem(self.normalise(x).to(self.dtype)))
        ]
        region = given[0][1]
        rows, maps = self.stage(0, [r for r, _ in given], region, classify)
        return rows, region, maps

    @torch.no_grad()
    def stage(
        self, s: int, rows: Tensor | list[Tensor], region: Region, classify: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Stage s and, where wanted, its classifier, on rows of a region."""
        given = rows if isinstance(rows, list) else [rows]
        work = Workspace(region, given[0], self._memory)
        found = self.steps[s][0].program(given, work)
        return found, self.classified(s, found, work) if classify else None

    def classified(self, s: int, rows: Tensor, work: Workspace) -> Tensor:
        """(N + 1, C) rows of stage s -> (B, K, h, w) logits."""
        return _to_map(self.steps[s][1].program([rows], work)[:-1], work.region)

    def _rows_of(self, features: Tensor, name: str) -> tuple[Tensor, Region]:
        """(B, C, h, w) -> (B h w + 1, C) rows, and the region of all cells."""
        batch, channels, height, width = features.shape
        region = self._whole(batch, height, width, features.device)
        rows, cells = Workspace(region, features, self._memory).rows(f"{name} {channels}", channels)
        cells.copy_(features.permute(0, 2, 3, 1).flatten(0, 2))
        return rows, region

    def _whole(self, batch: int, height: int, width: int, device: torch.device) -> Region:
        """The region of all cells: the last one, with its tables, where images stay of one size."""
        if self._last is None or self._last.shape != (batch, height, width) or self._last.device != device:
            with torch.inference_mode(False):  # it may be used outside
                self._last = Region.full(batch, height, width, device)
        return self._last

    @torch.no_grad()
    def _restricted(self, rows: Tensor, region: Region, part: Region, s: int) -> tuple[Tensor, Region]:
        """Rows of a region at the cells of `part`, all of which it has: no need to ask, and to wait for the answer."""
        if len(part) == len(region):
            return rows, region
        name = f"stage {s} packed {rows.shape[1]}"
        packed, cells = Workspace(part, rows, self._memory).rows(name, rows.shape[1])
        torch.index_select(rows, 0, region.rank.flatten()[part.index], out=cells)
        return packed, part


def _note(ledger: ExitLedger, maps: Tensor | None, region: Region) -> None:
    """Tell the ledger what a stage said; nothing where its threshold is 1, as no cell exits there."""
    if maps is None:
        ledger.pass_on(region.shape, region.device)
    else:
        ledger.accept(maps)


def _to_map(rows: Tensor, region: Region) -> Tensor:
    """(N, K) -> (B, K, h, w), zero outside the region; its memory is its own."""
    batch, height, width = region.shape
    if region.is_full:
        cells = rows.clone()
    else:
        cells = rows.new_zeros(region.mask.numel(), rows.shape[1]).index_copy_(0, region.index, rows)
    return cells.view(batch, height, width, -1).permute(0, 3, 1, 2)


def _prepared(
    cascade: LayerCascade, dtype: torch.dtype, device: torch.device | str | None, compile: bool | str, native: bool
) -> CascadeRuns:
    """What `LayerCascade.for_inference` does."""
    where = cascade.mean.device if device is None else torch.device(device)
    source = cascade if where == cascade.mean.device else copy.deepcopy(cascade).to(where)
    return FusedCascade(
        source, dtype, native, compile=compiling.wanted(compile, where), required=compile is True
    ).eval()


LayerCascade.preparation = staticmethod(_prepared)
