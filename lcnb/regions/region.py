"""The region: which cells of a feature map are still in play.

Shape letters used in this package
    B images in a batch     H, W rows and columns of the grid     N active cells, over all images
    C channels              K    positions of a kernel (kh * kw)   O output channels

A `Region` numbers the active cells 0 .. N-1 in (image, row, column) order and remembers two maps:
`index` (row number -> cell) and `rank` (cell -> row number, -1 outside). Everything a layer needs to
know about geometry follows from those two: a neighbour table says, for every active cell and every
position of a kernel, in which row of the packed features that neighbour lies. The tables are built
once per (kernel, dilation) and shared by all layers of a stage (paper, section 3.3 and figure 3).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lcnb.regions.native import ready, table_of

Pair = tuple[int, int]


class Region:
    """The active cells of a batch of grids.

    Args:
        mask: (B, H, W) bool, True where a cell is active. Any B >= 0; empty and full masks are fine.

    Raises:
        TypeError: the mask is not a bool tensor.
        ValueError: the mask does not have the three axes (B, H, W).

    Attributes:
        mask: (B, H, W) bool, a private copy of the argument.
        index: (N,) int64, flat position (image * H * W + row * W + column) of every active cell, ascending.
        tables: those of `neighbours` so far, by (kernel, dilation).
        pools: whether global pooling is the mean over an image's active cells here; else it is refused (the default).

    Example:
        >>> region = Region(torch.tensor([[[True, False], [True, True]]]))
        >>> len(region), region.rank.tolist()
        (3, [[[0, -1], [1, 2]]])
    """

    pools: bool = False

    def __init__(self, mask: Tensor) -> None:
        if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
            got = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
            raise TypeError(f"Region needs a bool tensor, got {got}; compare first, e.g. Region(confidence <= rho)")
        if mask.dim() != 3:
            raise ValueError(f"Region needs a mask of shape (B, H, W), got {tuple(mask.shape)}")
        with torch.inference_mode(False):  # what is kept may be used in training later
            self.mask = mask.detach().clone()
            self.index = self.mask.flatten().nonzero()[:, 0]
        self._rank: Tensor | None = None
        self.tables: dict[tuple[Pair, Pair], Tensor] = {}

    @classmethod
    def full(cls, batch: int, height: int, width: int, device: torch.device | str | None = None) -> Region:
        """The region of all cells of (batch, height, width) grids."""
        return cls(torch.ones(batch, height, width, dtype=torch.bool, device=device))

    def __len__(self) -> int:
        """N, the number of active cells over all images."""
        return self.index.numel()

    def __repr__(self) -> str:
        return f"Region({len(self)} of {self.mask.numel()} cells active, shape={tuple(self.shape)})"

    @property
    def shape(self) -> torch.Size:
        """(B, H, W) of the grid."""
        return self.mask.shape

    @property
    def is_full(self) -> bool:
        """Whether every cell is active."""
        return len(self) == self.mask.numel()

    @property
    def device(self) -> torch.device:
        """Where the maps live."""
        return self.mask.device

    @property
    def rank(self) -> Tensor:
        """(B, H, W) int64: row number of every active cell, -1 outside."""
        if self._rank is None:
            with torch.inference_mode(False):
                rank = torch.full((self.mask.numel(),), -1, dtype=torch.int64, device=self.device)
                rank[self.index] = torch.arange(len(self), device=self.device)
                self._rank = rank.view(self.shape)
        return self._rank

    @property
    def image(self) -> Tensor:
        """(N,) int64: the image (0 .. B-1) that each active cell belongs to."""
        height, width = self.shape[1:]
        return self.index // max(height * width, 1)

    def counts(self) -> Tensor:
        """(B,) int64: active cells in each image."""
        return self.mask.flatten(1).sum(1)

    def neighbours(self, kernel: Pair, dilation: Pair = (1, 1)) -> Tensor:
        """Row numbers of the neighbours under a centred kernel.

        Args:
            kernel: (kh, kw), both odd.
            dilation: (dh, dw), both >= 1.

        Returns:
            (N, kh * kw) int64, in the order of a flattened kernel (row by row). The value N, one past the
            last row, stands for "not active or beyond the border", so that a single zero (or -inf) row
            appended to the features serves every missing neighbour.

        Raises:
            ValueError: a kernel side is even, or a kernel side or a dilation is below 1.
        """
        key = ((kernel[0], kernel[1]), (dilation[0], dilation[1]))
        if key not in self.tables:
            with torch.inference_mode(False):
                self.tables[key] = self._build_table(*key)
        return self.tables[key]

    def _build_table(self, kernel: Pair, dilation: Pair) -> Tensor:
        if min(*kernel, *dilation) < 1 or kernel[0] % 2 == 0 or kernel[1] % 2 == 0:
            raise ValueError(f"a region kernel has odd sides and dilation >= 1, got {kernel=} {dilation=}")
        if self.device.type == "cpu" and (found := ready()) is not None:
            return table_of(found, self.rank, self.index, kernel, dilation)
        (kh, kw), (dh, dw) = kernel, dilation
        reach_y, reach_x = dh * (kh // 2), dw * (kw // 2)
        outside = len(self)
        batch, height, width = self.shape
        tall, wide = height + 2 * reach_y, width + 2 * reach_x
        cell = self.index % max(height * width, 1)
        line = self.image * tall + cell // max(width, 1) + reach_y
        centre = line * wide + cell % max(width, 1) + reach_x
        padded = torch.full((batch * tall * wide,), outside, dtype=torch.int64, device=self.device)
        padded[centre] = torch.arange(outside, device=self.device)
        # One flat offset per kernel position, from the centre.
        steps = [(i - kh // 2) * dh * wide + (j - kw // 2) * dw for i in range(kh) for j in range(kw)]
        offsets = torch.tensor(steps, device=self.device)
        return padded[centre[:, None] + offsets[None, :]]

    def grow(self, halo: int) -> Region:
        """The region and every cell within `halo` cells of it (square neighbourhood).

        Raises:
            ValueError: `halo` is negative.
        """
        if not isinstance(halo, int) or halo < 0:
            raise ValueError(f"halo is a number of cells >= 0, got {halo}")
        if halo == 0 or len(self) == 0:
            return self
        grown = F.max_pool2d(self.mask[:, None].float(), 2 * halo + 1, stride=1, padding=halo)
        return Region(grown[:, 0] > 0)

    def rows_of(self, part: Region) -> Tensor:
        """(len(part),) int64: in which row of this region each cell of `part` lies.

        Raises:
            ValueError: the grids differ, or `part` has a cell that this region lacks.
        """
        if part.shape != self.shape:
            raise ValueError(f"regions on different grids: {tuple(part.shape)} and {tuple(self.shape)}")
        rows = self.rank.flatten()[part.index]
        if rows.numel() and int(rows.min()) < 0:
            raise ValueError(f"{int((rows < 0).sum())} cells of the smaller region are not active in the larger one")
        return rows
