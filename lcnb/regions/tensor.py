"""RegionTensor: packed features that unmodified PyTorch modules can run on.

Shape letters: B images, C channels, H, W grid, N active cells.

A `RegionTensor` stands for a dense (B, C, H, W) map of which only the active cells are stored, one row
each. It takes part in PyTorch's `__torch_function__` protocol: `F.conv2d`, `F.batch_norm`, `torch.cat`,
`+` and the rest of the stride-1 vocabulary do the region-wise thing, so a network's blocks are written
once, as plain PyTorch, and run on a dense map or on a region (paper, section 3.3). What has no meaning
on a region (stride, resizing, reductions over space) raises `RegionOpError`, which names the way out.

`x.permute(0, 2, 3, 1)` is a view with the channels last, (B, H, W, C): the same rows, on which `F.layer_norm` and
`nn.Linear` work over the channels; `permute(0, 3, 1, 2)` brings them back.
"""

from __future__ import annotations

from collections.abc import Callable
from numbers import Number
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from lcnb.regions.region import Region


class RegionOpError(TypeError):
    """An operation that cannot run on a region. The message says what to do instead.

    Attributes:
        operation: its name, such as "conv2d"; empty where it is no function.
        reason: why not, and the way out; empty likewise.
    """

    operation: str = ""
    reason: str = ""


class _MissingAttribute(RegionOpError, AttributeError):
    """So that `hasattr` and `getattr` with a default work as on any object."""


def _operator(function: Callable) -> Callable[[RegionTensor, Any], Any]:
    """A binary operator: as the function, for numbers and tensors."""

    def apply(self: RegionTensor, other: Any) -> Any:
        if not isinstance(other, (Number, Tensor, RegionTensor, np.generic, np.ndarray)):
            return NotImplemented
        return self.__torch_function__(function, (), (self, other))

    return apply


class RegionTensor:
    """Features of the active cells of a `Region`.

    Args:
        features: (N, C), row n belongs to the n-th active cell; floating point, or what a comparison gives.
        region: the N active cells of a (B, H, W) grid.
        axis: where the channels are, 1 or, in a view with the channels last, 3.

    Raises:
        ValueError: `features` is not (N, C) for this region's N.

    Example:
        >>> x = torch.randn(1, 8, 6, 6)
        >>> active = RegionTensor.from_dense(x, Region(x[:, 0] > 0))
        >>> torch.nn.Conv2d(8, 16, 3, padding=1)(active).shape
        torch.Size([1, 16, 6, 6])
    """

    def __init__(self, features: Tensor, region: Region, axis: int = 1) -> None:
        if features.dim() != 2 or features.shape[0] != len(region):
            raise ValueError(
                f"features of this region have shape ({len(region)}, C), one row per active cell; "
                f"got {tuple(features.shape)}"
            )
        self.features = features
        self.region = region
        self.axis = axis

    @classmethod
    def from_dense(cls, x: Tensor, region: Region) -> RegionTensor:
        """Keep the active cells of a dense map.

        Args:
            x: (B, C, H, W).
            region: over the same (B, H, W).

        Raises:
            ValueError: the map and the region are over different grids.
        """
        if x.dim() != 4 or (x.shape[0], *x.shape[2:]) != tuple(region.shape):
            raise ValueError(
                f"a map of shape {tuple(x.shape)} does not lie on the region's grid {tuple(region.shape)}: "
                "expected (B, C, H, W) with the region's B, H and W"
            )
        cells = x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])  # no copy when x is channels-last
        return cls(cells.index_select(0, region.index), region)

    def to_dense(self, fill: float = 0.0) -> Tensor:
        """The map of this shape in channels-last memory, `fill` at every inactive cell."""
        channels = self.features.shape[1]
        cells = self.features.new_full((self.region.mask.numel(), channels), fill)
        cells = cells.index_copy(0, self.region.index, self.features)
        return cells.view(*self.region.shape, channels).movedim(3, self.axis)

    def restrict(self, part: Region) -> RegionTensor:
        """The same features on a smaller region.

        Raises:
            ValueError: `part` has a cell that is not active here.
        """
        return RegionTensor(self.features.index_select(0, self.region.rows_of(part)), part, self.axis)

    def with_features(self, features: Tensor) -> RegionTensor:
        """Other features on the same region, channels where they are here."""
        return RegionTensor(features, self.region, self.axis)

    # What modules look at before they call a function.

    @property
    def shape(self) -> torch.Size:
        """(B, C, H, W), or (B, H, W, C), as of the dense map this stands for."""
        sizes = list(self.region.shape)
        sizes.insert(self.axis, self.features.shape[1])
        return torch.Size(sizes)

    def size(self, dim: int | None = None) -> Any:
        """As `Tensor.size`."""
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> int:
        """4: a RegionTensor stands for a map with axes (B, C, H, W)."""
        return 4

    ndim = property(dim)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        active, cells = len(self.region), self.region.mask.numel()
        return f"RegionTensor(shape={tuple(self.shape)}, {active} of {cells} cells active, dtype={self.features.dtype})"

    @property
    def dtype(self) -> torch.dtype:
        """Of the features."""
        return self.features.dtype

    @property
    def device(self) -> torch.device:
        """Of the features."""
        return self.features.device

    @property
    def requires_grad(self) -> bool:
        """Of the features."""
        return self.features.requires_grad

    # The protocol.

    meaning: ClassVar[Callable[[Callable, tuple, dict[str, Any]], Any]]
    """(function, args, kwargs) -> its result; `lcnb.regions.ops`, which needs this class, sets it."""

    @classmethod
    def __torch_function__(cls, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        return cls.meaning(func, args, kwargs or {})

    def __getattr__(self, name: str) -> Any:
        """`x.relu()`, `x.mul(2)`, ...: tensor methods go through the same table as functions."""
        method = getattr(Tensor, name, None)
        if name.startswith("__") or method is None:
            raise AttributeError(f"RegionTensor has no attribute {name!r}")
        if not callable(method):
            raise _MissingAttribute(f"a RegionTensor has no .{name}; use .features (N, C) or .to_dense()")
        return lambda *args, **kwargs: self.__torch_function__(method, (), (self, *args), kwargs)

    def __bool__(self) -> bool:
        raise RegionOpError("a RegionTensor is neither true nor false; choose by `torch.where`, or look at .features")

    def __getitem__(self, key: Any) -> RegionTensor:
        return self.__torch_function__(Tensor.__getitem__, (), (self, key))

    def __setitem__(self, key: Any, value: Any) -> None:
        self.__torch_function__(Tensor.__setitem__, (), (self, key, value))

    def __neg__(self) -> RegionTensor:
        return self.__torch_function__(torch.neg, (), (self,))

    def __abs__(self) -> RegionTensor:
        return self.__torch_function__(torch.abs, (), (self,))

    def __invert__(self) -> RegionTensor:
        return self.__torch_function__(torch.bitwise_not, (), (self,))

    __array_ufunc__ = None  # so that NumPy leaves `np.float32(2) * x` to the operators below
    __hash__ = object.__hash__  # type: ignore[assignment]
    __add__ = __radd__ = _operator(torch.add)
    __mul__ = __rmul__ = _operator(torch.mul)
    __sub__, __rsub__ = _operator(torch.sub), _operator(torch.rsub)
    __truediv__, __rtruediv__ = _operator(torch.div), _operator(Tensor.__rtruediv__)
    __pow__, __rpow__ = _operator(torch.pow), _operator(Tensor.__rpow__)
    __lt__, __le__, __gt__, __ge__ = (_operator(f) for f in (torch.lt, torch.le, torch.gt, torch.ge))
    __eq__, __ne__ = _operator(torch.eq), _operator(torch.ne)  # type: ignore[assignment]
    __and__, __or__ = _operator(torch.bitwise_and), _operator(torch.bitwise_or)
    __matmul__ = _operator(torch.matmul)
