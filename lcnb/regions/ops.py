"""What each PyTorch function does to a RegionTensor.

Shape letters: B images, C channels, N active cells, K kernel positions.

Tables from a function's name to its region-wise meaning. Names serve `F.relu`, `torch.relu` and
`Tensor.relu` alike. Three kinds of operation have a meaning on a region: those that look at one cell
(pointwise, batch-norm, whatever works along the channels), those that look at its neighbours at stride 1
(convolution, pooling: handed to a backend), and those that join or take channels. Packed rows are (N, C) wherever the
channels are, so a view with the channels last costs nothing: it tells `linear` and `layer_norm`, which look at the last
axis, from `conv2d` and `batch_norm`, which look at the second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lcnb.regions.backends import select
from lcnb.regions.region import Pair
from lcnb.regions.tensor import RegionOpError, RegionTensor

_POINTWISE = """
relu relu6 elu selu celu leaky_relu rrelu prelu gelu silu mish hardtanh hardswish hardsigmoid sigmoid logsigmoid tanh
softplus softsign softshrink hardshrink tanhshrink threshold exp exp2 expm1 log log2 log10 log1p erf sin cos abs neg
sign sqrt rsqrt square pow rpow reciprocal floor ceil round clamp clip clamp_min clamp_max add sub subtract rsub mul
multiply div divide true_divide rdiv remainder lerp addcmul addcdiv maximum minimum fmax fmin where masked_fill
dropout alpha_dropout eq ne gt lt ge le greater less greater_equal less_equal not_equal logical_and logical_or
logical_xor logical_not bitwise_and bitwise_or bitwise_not and or clone detach contiguous float double half bfloat16
bool int long type_as expand_as nan_to_num isfinite isnan isinf zeros_like ones_like full_like
empty_like rand_like randn_like bernoulli
"""
POINTWISE = frozenset(_POINTWISE.split())
"""Functions of one cell: they run on the rows as they are."""

_CHANNELWISE = """
softmax log_softmax softmin mean sum amax amin max min var std var_mean std_mean prod logsumexp any all argmax argmin
median sort argsort cumsum glu narrow index_select / norm linalg_vector_norm normalize topk split chunk tensor_split
"""
CHANNELWISE = {name: at for at, names in enumerate(_CHANNELWISE.split("/"), 1) for name in names.split()}
"""Functions along one axis, which has to be that of the channels: name -> the position of `dim`."""

_OF_ROWS = ("new_empty", "new_zeros", "new_ones", "new_full", "new_tensor", "is_floating_point", "is_contiguous")
"""Questions that the rows answer, and plain tensors like them."""

_AXIS = dict.fromkeys(("linear", "layer_norm", "rms_norm"), 3)
_AXIS |= dict.fromkeys(("conv2d", "batch_norm", "max_pool2d", "avg_pool2d", "dropout2d", "feature_dropout", "prelu"), 1)
"""Where some functions want the channels."""

_LAST = "`x.permute(0, 2, 3, 1)` brings the channels there"
_FIRST = "its input has the channels last; `x.permute(0, 3, 1, 2)` brings them back"
_MEAN = "over space needs every cell; reduce `x.features` (N, C) or `x.to_dense()`, or reduce channels, dim={axis}"
_WAY_OUT = {
    "conv_transpose2d": "upsampling changes the grid; run it on `x.to_dense()`",
    "interpolate": "resizing changes the grid; run it on `x.to_dense()`",
    "pad": "padding changes the grid; use a convolution with zero padding, or run it on `x.to_dense()`",
    "matmul": "attention and matrix products mix all cells; run them on `x.to_dense()` or on `x.features` (N, C)",
    "scaled_dot_product_attention": "attention mixes all cells; run it on `x.to_dense()`",
    "group_norm": "its statistics need every cell; replace it by batch-norm, or run it on `x.to_dense()`",
    "instance_norm": "its statistics need every cell; replace it by batch-norm, or run it on `x.to_dense()`",
    "max_pool2d_with_indices": "return_indices points into the dense map; pool `x.to_dense()`",
    "adaptive_avg_pool2d": "global pooling needs every cell; run it on `x.to_dense()`",
    "linear": f"it looks at the last axis, which is the columns of the grid; {_LAST}, or use a 1x1 convolution",
    "layer_norm": f"its statistics are over the last axes, rows and columns; {_LAST}, or use batch-norm",
    "rms_norm": f"its statistics are over the last axes, rows and columns; {_LAST}, or use batch-norm",
    "backward": "call backward on a loss computed from `x.features` (N, C)",
    "permute": "only the channels can move, by `permute(0, 2, 3, 1)` to the end and by `permute(0, 3, 1, 2)` back",
    "getitem": "only channels can be taken, and their axis stays (`x[:, i : i + 1]`); `x.restrict(region)` takes cells",
    "setitem": "a region is not written to; use `torch.where` for cells and `torch.cat` for channels",
    "unbind": "without the axis of the channels it is no map; use `x.split(1, dim=1)`",
}
_LAYOUT = "the layout of a RegionTensor is fixed; use `x.features` (N, C) or `x.to_dense()`"
_WAY_OUT |= dict.fromkeys(("flatten", "unflatten", "view", "reshape", "transpose", "squeeze", "unsqueeze"), _LAYOUT)
_WAY_OUT |= dict.fromkeys(("bmm", "einsum", "baddbmm"), _WAY_OUT["matmul"])
_REDUCTIONS = "mean sum amax amin max min var std var_mean std_mean norm linalg_vector_norm all any"
_WAY_OUT |= dict.fromkeys(_REDUCTIONS.split(), _MEAN)
_WAY_OUT |= dict.fromkeys(("movedim", "moveaxis"), _WAY_OUT["permute"])
_WAY_OUT["select"] = _WAY_OUT["unbind"]
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
    plain = name.strip("_")  # relu_, __rpow__
    kwargs = {k: v for k, v in kwargs.items() if k != "memory_format"}  # rows have one
    if not args and "input" in kwargs:
        args = (kwargs.pop("input"),)
    axis = getattr(args[0] if args else None, "axis", 1)
    if _AXIS.get(plain, axis) != axis:
        raise refuse(plain, None if axis == 1 else _FIRST)
    if plain in _POOLED and args[0].region.pools and (pooled := _POOLED[plain](*args, **kwargs)) is not None:
        return pooled
    if plain in _SPECIAL:
        result = _SPECIAL[plain](*args, **kwargs)
    elif plain in _GENERAL:
        result = _GENERAL[plain](func, plain, args, kwargs)
    else:
        raise refuse(plain)
    if name.endswith("_") and not name.startswith("_") and isinstance(args[0], RegionTensor):  # x.relu_() changes x
        args[0].features = result.features
        return args[0]
    return result


def _pointwise(func: Callable, name: str, args: tuple, kwargs: dict[str, Any]) -> RegionTensor:
    """Run a cell-by-cell function on the rows; tensors that broadcast over space are brought to rows first."""
    like = _common(name, [*args, *kwargs.values()])
    if name == "prelu":  # its weight is (C,), and means channels on packed rows too
        return like.with_features(func(like.features, *args[1:], **kwargs))
    rows = [_as_rows(name, a, like) for a in args]
    result = func(*rows, **{k: _as_rows(name, v, like) for k, v in kwargs.items()})
    if not isinstance(result, Tensor):  # the places of `torch.where(condition)`
        raise refuse(name)
    return like.with_features(result)


def _common(name: str, values: list[Any]) -> RegionTensor:
    """The first of the regions' tensors among the values, which all have its region and its axis."""
    first, *others = (v for v in values if isinstance(v, RegionTensor))
    for other in others:
        if other.region is not first.region and not torch.equal(other.region.mask, first.region.mask):
            raise refuse(name, "its operands live on different regions; bring them to one with `.restrict(region)`")
        if other.axis != first.axis:
            raise refuse(name, "one operand has the channels last; `x.permute(0, 3, 1, 2)` brings them back")
    return first


def _as_rows(name: str, value: Any, like: RegionTensor) -> Any:
    """A RegionTensor's rows, a number, a tensor that broadcasts over space as (1, C) or (N, C), or a mask's rows."""
    if isinstance(value, RegionTensor):
        return value.features
    if isinstance(value, (np.generic, np.ndarray)) and value.ndim == 0:
        return value.item()
    if not isinstance(value, Tensor) or value.dim() == 0:
        return value
    full = value.reshape((1,) * (4 - value.dim()) + tuple(value.shape))
    full = full.movedim(like.axis, 1) if full.dim() == 4 else full
    if name in ("mul", "multiply") and full.dim() == 4 and full.shape[2:] == like.region.shape[1:]:  # as of DropBlock
        return RegionTensor.from_dense(full.expand(like.shape[0], -1, -1, -1), like.region).features
    if full.dim() > 4 or full.shape[2:] != (1, 1) or full.shape[0] not in (1, like.shape[0]):
        raise refuse(name, "a dense map meets packed features; pack it first, `RegionTensor.from_dense(map, x.region)`")
    per_image = full[:, :, 0, 0]
    return per_image if full.shape[0] == 1 else per_image.index_select(0, like.region.image)


def _cat(tensors: Any, dim: int = 0, **kwargs: Any) -> RegionTensor:
    like, dim = _common("cat", list(tensors)), kwargs.get("axis", dim)
    if not _is_channels(like, dim):
        raise refuse("cat", f"only channels (dim={like.axis}) can be joined, not dim={dim}; join dense maps instead")
    return like.with_features(torch.cat([_as_rows("cat", t, like) for t in tensors], dim=1))


def _is_channels(x: RegionTensor, dim: Any) -> bool:
    """Whether a `dim` names the channels and nothing else."""
    found = dim[0] if isinstance(dim, (tuple, list)) and len(dim) == 1 else dim
    return type(found) is int and found in (x.axis, x.axis - 4)


def _channelwise(func: Callable, name: str, args: tuple, kwargs: dict[str, Any]) -> Any:
    """Run a function along the channels on the rows."""
    x, at = args[0], CHANNELWISE[name]
    key: Any = next((k for k in ("dim", "axis") if k in kwargs), None)
    dim = kwargs[key] if key else args[at] if len(args) > at else None
    other = kwargs.get("other", dim)
    if name in ("max", "min") and isinstance(other, (Tensor, RegionTensor)):
        return _pointwise(func, name, args, kwargs)
    if not _is_channels(x, dim):
        way_out = _WAY_OUT.get(name, "only channels (dim={axis}) are all present at a cell, not dim={dim}")
        kind = "a mean " if name == "mean" else "a reduction " if name in _WAY_OUT else ""
        raise refuse(name, kind + way_out.format(axis=x.axis, dim=dim))
    if key:
        kwargs[key] = 1
    else:
        args = (*args[:at], 1, *args[at + 1 :])
    return _wrapped(name, x, func(x.features, *args[1:], **kwargs))


def _wrapped(name: str, x: RegionTensor, result: Any) -> Any:
    if not isinstance(result, Tensor):  # chunks; values and indices
        return type(result)([_wrapped(name, x, part) for part in result])
    if result.dim() != 2:
        raise refuse(name, "without the axis of the channels its result is no map; pass keepdim=True")
    return x.with_features(result)


def _getitem(x: RegionTensor, key: Any) -> RegionTensor:
    """Channels: `x[:, ::2]`, `x[:, [3, 1]]`, `x[..., :4]` where they are last."""
    if not isinstance(x, RegionTensor):  # a dense map, indexed by a region's mask
        raise refuse("getitem")
    keys = key if isinstance(key, tuple) else (key,)
    at = next((i for i, k in enumerate(keys) if k is ...), len(keys))
    before, behind = keys[:at], keys[at + 1 :]
    whole = [*before, *[slice(None)] * (4 - len(before) - len(behind)), *behind]
    channels = whole.pop(x.axis)
    if len(whole) != 3 or not all(isinstance(k, slice) and k == slice(None) for k in whole):
        raise refuse("getitem")
    features = x.features[:, channels]
    if features.dim() != 2:
        raise refuse("getitem")
    return x.with_features(features)


def _moved(func: Callable, name: str, args: tuple, kwargs: dict[str, Any]) -> RegionTensor:
    """A permutation that moves the channels to the end, or back."""
    x, *rest = args
    order = tuple(func(torch.empty(1, 2, 3, 4, device="meta"), *rest, **kwargs).shape)
    axis = {(1, 2, 3, 4): x.axis, (1, 3, 4, 2): 3, (1, 4, 2, 3): 1}.get(order)
    if axis is None or (axis == x.axis and order != (1, 2, 3, 4)):
        raise refuse(name)
    return RegionTensor(x.features, x.region, axis)


def _of_rows(func: Callable, name: str, args: tuple, kwargs: dict[str, Any]) -> Any:
    return func(args[0].features, *args[1:], **kwargs)


def _linear(x: RegionTensor, weight: Tensor, bias: Tensor | None = None) -> RegionTensor:
    """A 1x1 convolution."""
    if x.features.shape[1] != weight.shape[1]:
        raise ValueError(f"linear with a weight of shape {tuple(weight.shape)} got {x.features.shape[1]} channels")
    return x.with_features(_conv2d(RegionTensor(x.features, x.region), weight[:, :, None, None], bias).features)


def _channel_norm(func: Callable, name: str, args: tuple, kwargs: dict[str, Any]) -> RegionTensor:
    x, sizes, *rest = args
    if len(sizes) != 1:
        raise refuse(name, f"over {len(sizes)} axes its statistics need every cell; over the channels alone it runs")
    return x.with_features(func(x.features, sizes, *rest, **kwargs))


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


def _active_mean(x: RegionTensor) -> Tensor:
    """(B, C): each image's mean over its active cells, added in float32 at least; 0 where none is active."""
    rows = x.features.to(torch.promote_types(x.dtype, torch.float32))
    sums = rows.new_zeros(x.shape[0], rows.shape[1]).index_add(0, x.region.image, rows)
    return (sums / x.region.counts().clamp(min=1)[:, None]).to(x.dtype)


def _global_pool(x: RegionTensor, output_size: Any) -> Tensor | None:
    return _active_mean(x)[:, :, None, None] if output_size in (1, (1, 1), [1, 1]) else None


def _mean_over_space(x: RegionTensor, dim: Any = None, keepdim: bool = False, **knobs: Any) -> Tensor | None:
    if knobs or x.axis != 1 or not isinstance(dim, (tuple, list)) or sorted(d % 4 for d in dim) != [2, 3]:
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
    ceil_mode: bool = False, return_indices: bool = False,  # False: else it is `max_pool2d_with_indices`
) -> RegionTensor:  # fmt: skip
    kernel, dilation = _pair(kernel_size), _pair(dilation)
    _check_grid("max_pool2d", kernel, kernel if stride is None else stride, padding, dilation, ceil_mode)
    return x.with_features(select(x.dtype).max_pool2d(x.features, x.region, kernel, dilation))


def _avg_pool2d(
    x: RegionTensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> RegionTensor:  # fmt: skip
    kernel = _pair(kernel_size)
    _check_grid("avg_pool2d", kernel, kernel if stride is None else stride, padding, (1, 1), ceil_mode)
    backend = select(x.dtype)
    return x.with_features(backend.avg_pool2d(x.features, x.region, kernel, count_include_pad, divisor_override))


_SPECIAL: dict[str, Callable] = {
    "conv2d": _conv2d,
    "linear": _linear,
    "batch_norm": _batch_norm,
    "cat": _cat,
    "concat": _cat,
    "concatenate": _cat,
    "getitem": _getitem,
    "max_pool2d": _max_pool2d,
    "avg_pool2d": _avg_pool2d,
    "dropout2d": _dropout2d,
    "feature_dropout": _dropout2d,
    "to": _to,
}

_GENERAL: dict[str, Callable] = {
    **dict.fromkeys(POINTWISE, _pointwise),
    **dict.fromkeys(CHANNELWISE, _channelwise),
    **dict.fromkeys(_OF_ROWS, _of_rows),
    **dict.fromkeys(("layer_norm", "rms_norm"), _channel_norm),
    **dict.fromkeys(("permute", "movedim", "moveaxis"), _moved),
}

RegionTensor.meaning = staticmethod(run)
