"""What each PyTorch function does to a RegionTensor.

Shape letters: B images, C channels, N active cells, K kernel positions.

One table, from a function's name to its region-wise meaning. Names serve `F.relu`, `torch.relu` and
`Tensor.relu` alike. Three kinds of operation have a meaning on a region: those that look at one cell
(pointwise, batch-norm, softmax over channels), those that look at its neighbours at stride 1
(convolution, pooling: handed to a backend), and those that join channels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lcnb.regions.backends import select
from lcnb.regions.region import Pair, Region
from lcnb.regions.tensor import RegionOpError, RegionTensor

_POINTWISE = """
relu relu6 elu selu celu leaky_relu rrelu prelu gelu silu mish hardtanh hardswish hardsigmoid sigmoid logsigmoid tanh
softplus softsign threshold exp log log1p abs neg sqrt rsqrt square pow reciprocal clamp clip clamp_min clamp_max
add sub rsub mul div true_divide maximum minimum where dropout alpha_dropout
clone detach contiguous float double half bfloat16 nan_to_num isfinite isnan rand_like randn_like zeros_like ones_like
"""
POINTWISE = frozenset(_POINTWISE.split())

_WAY_OUT = {
    "conv_transpose2d": "upsampling changes the grid; run it on `x.to_dense()`",
    "interpolate": "resizing changes the grid; run it on `x.to_dense()`",
    "pad": "padding changes the grid; use a convolution with zero padding, or run it on `x.to_dense()`",
    "matmul": "attention and matrix products mix all cells; run them on `x.to_dense()` or on `x.features` (N, C)",
    "scaled_dot_product_attention": "attention mixes all cells; run it on `x.to_dense()`",
    "group_norm": "its statistics need every cell; replace it by batch-norm, or run it on `x.to_dense()`",
    "instance_norm": "its statistics need every cell; replace it by batch-norm, or run it on `x.to_dense()`",
    "mean": "a mean over space needs every cell; reduce `x.features` (N, C) or `x.to_dense()`",
    "adaptive_avg_pool2d": "global pooling needs every cell; run it on `x.to_dense()`",
    "linear": "it looks at the last axis, which is the columns of the grid; a 1x1 convolution looks at the channels",
    "layer_norm": "its statistics are over the last axes, rows and columns; replace it by batch-norm over the channels",
    "backward": "call backward on a loss computed from `x.features` (N, C)",
}
_LAYOUT = "the layout of a RegionTensor is fixed; use `x.features` (N, C) or `x.to_dense()`"
_WAY_OUT |= dict.fromkeys(("flatten", "unflatten", "view", "reshape", "permute", "transpose", "squeeze"), _LAYOUT)
_WAY_OUT |= dict.fromkeys(("bmm", "einsum", "baddbmm"), _WAY_OUT["matmul"])
_WAY_OUT |= dict.fromkeys(("sum", "amax", "var", "std"), _WAY_OUT["mean"].replace("a mean", "a reduction"))
_WAY_OUT["adaptive_max_pool2d"] = _WAY_OUT["adaptive_avg_pool2d"]
_DEFAULT_WAY_OUT = "run it on the dense map, `x.to_dense()`, or on the packed features, `x.features` (N, C)"


def refuse(name: str, why: str | None = None) -> RegionOpError:
    """The error for an operation that has no meaning on a region."""
    reason = why or _WAY_OUT.get(name, _DEFAULT_WAY_OUT)
    error = RegionOpError(f"{name} cannot run on a RegionTensor: {reason}. See `lcnb.regions.ops` for what can.")
    error.operation, error.reason = name, reason
    return error


def run(func: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
    """Entry point of `RegionTensor.__torch_function__`."""
    name = getattr(func, "__name__", str(func))
    plain = name.rstrip("_") if not name.startswith("__") else name
    if plain in _POOLED and args and args[0].region.pools and (result := _POOLED[plain](*args, **kwargs)) is not None:
        return result
    if plain in _SPECIAL:
        result = _SPECIAL[plain](*args, **kwargs)
    elif plain in POINTWISE:
        result = _pointwise(func, args, kwargs)
    else:
        raise refuse(name)
    if name != plain and isinstance(args[0], RegionTensor):  # x.relu_() changes x
        args[0].features = result.features
        return args[0]
    return result


def _pointwise(func: Callable, args: tuple, kwargs: dict[str, Any]) -> RegionTensor:
    """Run a cell-by-cell function on the rows; tensors that broadcast over space are brought to rows first."""
    name = getattr(func, "__name__", str(func))
    region = _common_region(name, [*args, *kwargs.values()])
    if name == "prelu":  # its weight is (C,), and means channels on packed rows too
        return RegionTensor(func(args[0].features, *args[1:]), region)
    rows = [_as_rows(name, a, region) for a in args]
    named = {k: _as_rows(name, v, region) for k, v in kwargs.items()}
    return RegionTensor(func(*rows, **named), region)


def _common_region(name: str, values: list[Any]) -> Region:
    regions = [v.region for v in values if isinstance(v, RegionTensor)]
    if any(r is not regions[0] and not torch.equal(r.mask, regions[0].mask) for r in regions[1:]):
        raise refuse(name, "its operands live on different regions; bring them to one with `.restrict(region)`")
    return regions[0]


def _as_rows(name: str, value: Any, region: Region) -> Any:
    """Rows (N, C): a RegionTensor's, those of a dense map's active cells; (1, C) of what is the same at every cell."""
    if isinstance(value, RegionTensor):
        return value.features
    if not isinstance(value, Tensor) or value.dim() == 0 or value.numel() == 1:
        return value.reshape(()) if isinstance(value, Tensor) else value
    full = value.reshape((1,) * (4 - value.dim()) + tuple(value.shape)) if value.dim() < 4 else value
    batch, height, width = region.shape
    if full.dim() == 4 and full.shape[2:] == (height, width) and full.shape[0] in (1, batch):
        return RegionTensor.from_dense(full.expand(batch, -1, -1, -1), region).features
    if full.dim() > 4 or full.shape[2:] != (1, 1):
        raise refuse(name, f"a map of shape {tuple(value.shape)} does not lie on the grid {tuple(region.shape)}")
    per_image = full[:, :, 0, 0]
    return per_image if full.shape[0] == 1 else per_image.index_select(0, region.image)


def _cat(tensors: Any, dim: int = 0, **kwargs: Any) -> RegionTensor:
    dim = kwargs.get("axis", dim)
    if dim not in (1, -3):
        raise refuse("cat", f"only channels (dim=1) can be joined, not dim={dim}; join dense maps instead")
    region = _common_region("cat", list(tensors))
    return RegionTensor(torch.cat([_as_rows("cat", t, region) for t in tensors], dim=1), region)


def _softmax_of(function: Callable) -> Callable:
    def over_channels(x: RegionTensor, dim: int | None = None, **kwargs: Any) -> RegionTensor:
        if dim not in (1, -3):
            raise refuse(function.__name__, f"only channels (dim=1) are all present at a cell, not dim={dim}")
        return x.with_features(function(x.features, dim=1, dtype=kwargs.get("dtype")))

    return over_channels


def _batch_norm(
    x: RegionTensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    *rest: Any,
    **knobs: Any,
) -> RegionTensor:
    """Statistics, where they are computed, are those of the active cells; an empty region changes none.

    Nor does a single cell, which has no variance: it is normalised by the running statistics, where they are kept.
    """
    if len(x.region) == 0:
        return x.with_features(x.features.clone())
    if len(x.region) == 1 and running_mean is not None:
        training = False
    return x.with_features(F.batch_norm(x.features, running_mean, running_var, weight, bias, training, *rest, **knobs))


def _dropout2d(x: RegionTensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> RegionTensor:
    """Drops whole channels of an image, as on a dense map."""
    keep = F.dropout(x.features.new_ones(x.shape[0], x.shape[1]), p, training)
    return x.with_features(x.features * keep.index_select(0, x.region.image))


def _new(name: str) -> Callable:
    """A dense tensor of another shape, such as the (B, 1, 1, 1) factors with which stochastic depth drops images."""
    return lambda x, *args, **kwargs: getattr(x.features, name)(*args, **kwargs)


def _active_mean(x: RegionTensor) -> Tensor:
    """(B, C): each image's mean over its active cells, added in float32 at least; 0 where none is active."""
    rows = x.features.to(torch.promote_types(x.dtype, torch.float32))
    sums = rows.new_zeros(x.shape[0], x.shape[1]).index_add(0, x.region.image, rows)
    return (sums / x.region.counts().clamp(min=1)[:, None]).to(x.dtype)


def _global_pool(x: RegionTensor, output_size: Any) -> Tensor | None:
    return _active_mean(x)[:, :, None, None] if output_size in (1, (1, 1), [1, 1]) else None


def _mean_over_space(x: RegionTensor, dim: Any = None, keepdim: bool = False, **knobs: Any) -> Tensor | None:
    if knobs or not isinstance(dim, (tuple, list)) or sorted(d % 4 for d in dim) != [2, 3]:
        return None
    return _active_mean(x)[:, :, None, None] if keepdim else _active_mean(x)


_POOLED: dict[str, Callable] = {"adaptive_avg_pool2d": _global_pool, "mean": _mean_over_space}
"""What has a meaning on regions whose `pools` is set; None where it still has none."""


def _to(x: RegionTensor, *args: Any, **kwargs: Any) -> RegionTensor:
    features = x.features.to(*args, **kwargs)
    if features.device != x.region.device:
        raise refuse("to", f"its region stays on {x.region.device}; move the mask and the map, then pack them there")
    return x.with_features(features)


def _pair(value: Any) -> Pair:
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[-1]))


def _check_grid(name: str, kernel: Pair, stride: Any, padding: Any, dilation: Pair, ceil_mode: bool = False) -> None:
    """Only a centred odd kernel at stride 1 that keeps the grid has a meaning on a region."""
    if _pair(stride) != (1, 1):
        raise refuse(
            name, f"stride {_pair(stride)} changes the grid; run it on `x.to_dense()`, or cut the network behind it"
        )
    if kernel[0] % 2 == 0 or kernel[1] % 2 == 0:
        raise refuse(name, f"a kernel of {kernel} has no centre; use odd sides, or run it on `x.to_dense()`")
    same = (dilation[0] * (kernel[0] // 2), dilation[1] * (kernel[1] // 2))
    given = same if padding == "same" else (0, 0) if padding == "valid" else _pair(padding)
    if given != same:
        raise refuse(name, f"padding {padding} changes the grid; this kernel keeps it with padding={same}")
    if ceil_mode:
        raise refuse(name, "ceil_mode has no meaning at stride 1; leave it off")


def _conv2d(
    x: RegionTensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> RegionTensor:  # fmt: skip
    kernel, dilation = (weight.shape[2], weight.shape[3]), _pair(dilation)
    _check_grid("conv2d", kernel, stride, padding, dilation)
    if x.shape[1] != weight.shape[1] * groups:
        raise ValueError(
            f"conv2d with a weight of shape {tuple(weight.shape)} and groups={groups} expects "
            f"{weight.shape[1] * groups} channels, the RegionTensor has {x.shape[1]}"
        )
    features = x.features
    if torch.is_autocast_enabled(features.device.type):  # autocast looks at dense convolutions only
        dtype = torch.get_autocast_dtype(features.device.type)
        features, weight = features.to(dtype), weight.to(dtype)
        bias = None if bias is None else bias.to(dtype)
    backend = select(features.dtype, groups)
    return x.with_features(backend.conv2d(features, x.region, weight, bias, dilation, groups))


def _max_pool2d(
    x: RegionTensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> RegionTensor:  # fmt: skip
    kernel, dilation = _pair(kernel_size), _pair(dilation)
    _check_grid("max_pool2d", kernel, kernel if stride is None else stride, padding, dilation, ceil_mode)
    if return_indices:
        raise refuse("max_pool2d", "return_indices points into the dense map; pool `x.to_dense()`")
    return x.with_features(select(x.dtype).max_pool2d(x.features, x.region, kernel, dilation))


def _avg_pool2d(
    x: RegionTensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> RegionTensor:  # fmt: skip
    kernel = _pair(kernel_size)
    _check_grid("avg_pool2d", kernel, kernel if stride is None else stride, padding, (1, 1), ceil_mode)
    backend = select(x.dtype)
    return x.with_features(backend.avg_pool2d(x.features, x.region, kernel, count_include_pad, divisor_override))


def _max_pool2d_with_indices(*args: Any, **kwargs: Any) -> RegionTensor:
    raise refuse("max_pool2d", "return_indices points into the dense map; pool `x.to_dense()`")


_SPECIAL: dict[str, Callable] = {
    "conv2d": _conv2d,
    "batch_norm": _batch_norm,
    "cat": _cat,
    "concat": _cat,
    "softmax": _softmax_of(F.softmax),
    "log_softmax": _softmax_of(F.log_softmax),
    "max_pool2d": _max_pool2d,
    "max_pool2d_with_indices": _max_pool2d_with_indices,
    "avg_pool2d": _avg_pool2d,
    "dropout2d": _dropout2d,
    "feature_dropout": _dropout2d,
    "to": _to,
    **{name: _new(name) for name in ("new_empty", "new_ones", "new_zeros", "new_full")},
}

RegionTensor.meaning = staticmethod(run)
