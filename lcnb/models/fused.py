"""A cascade prepared for inference: everything behind the stem runs on packed rows of the open cells.

Shape letters: B images, K classes, C channels, h, w the grid, N open cells, S stages.

1x1 convolutions, most of the work, are products of rows whatever the region. A layer that looks at neighbours
gathers them, or spreads the rows over a map and takes the machine's dense convolution, whichever is sooner for the
share of cells that are open: all of them in stage 1, fewer behind each exit (`lcnb.regions.spatial`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn

from lcnb.models.cascade import LayerCascade
from lcnb.models.checks import check_picture
from lcnb.models.entry import Dense, Entry
from lcnb.models.exits import ExitLedger
from lcnb.models.folding import folded
from lcnb.models.irnet import ConvNorm
from lcnb.models.on_rows import FusionError, RowStage, chain_of, conv_of
from lcnb.models.runs import CascadeRuns, StageLogits
from lcnb.models.variants import VARIANTS
from lcnb.regions import Region
from lcnb.regions.products import Multiply
from lcnb.regions.rows import Chain
from lcnb.regions.spatial import Spatial
from lcnb.regions.workspace import Memory, Workspace, teach_allocator


class FusedCascade(CascadeRuns):
    """What `LayerCascade.for_inference` returns: the same answers, sooner.

    Args:
        cascade: an IRNet cascade; its weights are copied.
        dtype: of weights and features; float32 or bfloat16. Confidence is always float32.
        compile: stage 1 and its classifier through `torch.compile` (`lcnb.models.entry`), in place of rows.
        required: whether it is an error if they cannot be compiled; they then run as they are, with a warning.

    Attributes:
        entry: the compiled form, or None.

    Raises:
        FusionError: a stage holds a module that cannot be fused; the message names it.
    """

    def __init__(
        self,
        cascade: LayerCascade,
        dtype: torch.dtype = torch.float32,
        *,
        compile: bool = False,
        required: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
            raise FusionError(f"dtype is torch.float32 or torch.bfloat16, got {dtype!r}")
        self.rho, self.halo, self.meta, self.config = cascade.rho, cascade.halo, cascade.meta, cascade.config
        self.dtype, self.mean, self.std = dtype, cascade.mean, cascade.std
        if cascade.config.get("network") not in {variant.name for variant in VARIANTS.values()}:
            raise FusionError("only cascades made by irnet_lc have a fused form yet; run this one as it is")
        first, *others = cast(list[nn.Sequential], list(cascade.stages))
        heads = cast(list[nn.Sequential], list(cascade.heads))
        widths = [conv_of(cast(ConvNorm, head[0])).in_channels for head in heads]
        entry = conv_of(next(m for m in first[1].modules() if isinstance(m, ConvNorm))).in_channels
        self.entry = Entry(Dense(cascade, dtype).eval(), required) if compile else None
        self.stem = nn.Identity() if compile else folded(first[0], dtype)
        blocks = [] if compile else list(first)[1:]
        self.stages = [RowStage(blocks, entry, dtype)]
        self.stages += [RowStage(list(stage), c, dtype) for stage, c in zip(others, widths, strict=False)]
        self.heads = [chain_of(head, c, dtype) for head, c in zip(heads, widths, strict=True)]
        self._memory, self._last = Memory(), cast(Region | None, None)
        teach_allocator(self.mean.device)

    @property
    def stage_count(self) -> int:
        """S."""
        return len(self.stages)

    def workspace(self, region: Region, like: Tensor) -> Workspace:
        """What a stage or a classifier takes beside its rows.

        Args:
            region: of the rows.
            like: rows of that dtype and device.
        """
        return Workspace(region, like, self._memory)

    def spatial(self) -> Iterator[Spatial]:
        """Every layer that looks at neighbours, and so can run in two ways."""
        return (layer for part in self._parts() for layer in part.spatial())

    def products(self) -> Iterator[Multiply]:
        """Every matrix product, which can run in two ways too."""
        return (product for part in self._parts() for product in part.products())

    def _parts(self) -> list[RowStage | Chain]:
        """What runs on rows."""
        return [*self.stages, *(self.heads if self.entry is None else self.heads[1:])]

    def _walk(self, x: Tensor, ledger: ExitLedger, halo: int) -> Iterator[Tensor]:
        rows, region, maps = self._first(x, classify=not ledger.rho or ledger.rho[0] < 1)
        _note(ledger, maps, region)
        yield torch.ones(x.shape[0], device=x.device)
        for s, (stage, head) in enumerate(zip(self.stages[1:], self.heads[1:], strict=True), 1):
            wanted = Region(ledger.open)  # type: ignore[arg-type]
            if len(wanted) == 0:
                return
            rows, region = self._restricted(rows, region, wanted.grow(halo))
            work = self.workspace(region, rows)
            rows = stage(rows, work)
            skipped = s < len(ledger.rho) and ledger.rho[s] == 1
            _note(ledger, None if skipped else _to_map(head(rows, work)[:-1], region), region)
            yield region.counts() / max(1, region.shape[1] * region.shape[2])

    def all_stages(self, x: Tensor) -> StageLogits:
        """Every stage on every cell: S maps (B, K, h, w)."""
        rows, region, first = self._first(x, classify=True)
        maps = [cast(Tensor, first)]
        for stage, head in zip(self.stages[1:], self.heads[1:], strict=True):
            work = self.workspace(region, rows)
            rows = stage(rows, work)
            maps.append(_to_map(head(rows, work)[:-1], region))
        return StageLogits(maps, x.shape[2:])

    def _first(self, x: Tensor, classify: bool) -> tuple[Tensor, Region, Tensor | None]:
        """Stage 1: its rows, the region of all cells and, where wanted, its (B, K, h, w) logits."""
        if self.entry is not None:
            check_picture(x, self.mean.shape[1])
            features, maps = self.entry(x, classify)
            return (*self._rows_of(features, "entry"), maps)
        rows, region = self._begin(x)
        work = self.workspace(region, rows)
        rows = self.stages[0](rows, work)
        return rows, region, _to_map(self.heads[0](rows, work)[:-1], region) if classify else None

    def _begin(self, x: Tensor) -> tuple[Tensor, Region]:
        """The stem's features as rows, and the region of all cells."""
        return self._rows_of(self.stem(self.normalise(x).to(self.dtype)), "stem")

    def _rows_of(self, features: Tensor, name: str) -> tuple[Tensor, Region]:
        """(B, C, h, w) -> (B h w + 1, C) rows, and the region of all cells."""
        batch, channels, height, width = features.shape
        region = self._whole(batch, height, width, features.device)
        rows, cells = self.workspace(region, features).rows(name, channels)
        cells.copy_(features.permute(0, 2, 3, 1).flatten(0, 2))
        return rows, region

    def _whole(self, batch: int, height: int, width: int, device: torch.device) -> Region:
        """The region of all cells: the last one, with its tables, where pictures stay of one size."""
        if self._last is None or self._last.shape != (batch, height, width) or self._last.device != device:
            with torch.inference_mode(False):  # it may be used outside
                self._last = Region.full(batch, height, width, device)
        return self._last

    def _restricted(self, rows: Tensor, region: Region, part: Region) -> tuple[Tensor, Region]:
        """Rows of a region at the cells of `part`, all of which it has: no need to ask, and to wait for the answer."""
        if len(part) == len(region):
            return rows, region
        packed, cells = self.workspace(part, rows).rows("packed", rows.shape[1])
        torch.index_select(rows, 0, region.rank.flatten()[part.index], out=cells)
        return packed, part


def _note(ledger: ExitLedger, maps: Tensor | None, region: Region) -> None:
    """Tell the ledger what a stage said; nothing where its threshold is 1: nobody leaves, so nobody asks."""
    if maps is None:
        ledger.pass_on(region.shape, region.device)
    else:
        ledger.accept(maps)


def _to_map(rows: Tensor, region: Region) -> Tensor:
    """(N, K) -> (B, K, h, w), zero outside the region."""
    batch, height, width = region.shape
    cells = rows
    if not region.is_full:
        cells = rows.new_zeros(region.mask.numel(), rows.shape[1]).index_copy_(0, region.index, rows)
    return cells.view(batch, height, width, -1).permute(0, 3, 1, 2)
