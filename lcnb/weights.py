"""Weights: one folder a network, `model.safetensors` beside `metrics.json`.

Kernels are stored as float16, everything else as it is, and the network's knobs in the file's header, so a
file is complete by itself. Nothing is unpickled: safetensors holds numbers and text only. What the header
claims is compared with what the file holds before anything is allocated, so a bad file costs next to nothing.

Of a network that is none of `lcnb.models.networks.NETWORKS` the header names the builder, a function of the user's, and
its arguments. A name in a file is text: the code is imported only if the reader names it as well.
"""

from __future__ import annotations

import copy
import errno
import json
import math
import os
import re
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from lcnb.devices import usable
from lcnb.errors import WeightsError
from lcnb.models import LayerCascade
from lcnb.models.exits import thresholds
from lcnb.models.networks import (
    BUILT,
    NETWORKS,
    Builder,
    Network,
    builder_name,
    built,
    recipe_of,
    stored_network,
    trial,
)
from lcnb.paths import CHECKOUT, absolute, data_roots, searched, written_whole

FORMAT = "lcnb-cascade-1"
FILE, METRICS = "model.safetensors", "metrics.json"
BOUNDS: dict[str, tuple[float, float]] = {
    "num_classes": (1, 1000),
    "width": (0.001, 4),
    "blocks": (0, 32),
    "residual_scale": (0, 10),
    "dilation": (1, 64),
    "head_channels": (1, 4096),
    "dropout": (0, 1),
    "stride": (8, 16),
}
"""The smallest and largest value of each knob of a network that a file may ask for."""


class BuilderNeeded(WeightsError):
    """The weights are of a network that a builder makes, and the reader named none."""


def available() -> dict[str, Path]:
    """Weights on disk by name, under every data root; the first root that has a name wins."""
    found: dict[str, Path] = {}
    for root in data_roots():
        for file in sorted((root / "weights").glob(f"*/{FILE}")):
            found.setdefault(file.parent.name, file.parent)
    return found


def save(
    cascade: LayerCascade,
    folder: str | Path,
    meta: dict[str, Any] | None = None,
    *,
    builder: Builder | str | None = None,
    **arguments: Any,
) -> Path:
    """Write a cascade's weights, whole or not at all.

    Args:
        cascade: made by `irnet_lc` or `lite_lc`, whose knobs are stored; any other with its builder.
        folder: of the weights; its name is the weights' name.
        meta: dataset, classes, ignore_index, rho, halo, licence; the cascade's own if None.
        builder: a function that returns this cascade with other weights (of `lcnb.split`, say), or its name,
            "module:function". Only the name is stored.
        arguments: of the builder, as JSON has them; those that the cascade was built with if there are none.

    Returns:
        The file.

    Raises:
        WeightsError: the network cannot be built again (no builder, or one that builds another network, as the weights
            or the logits of a small image show; a head that was replaced), a value is not finite as it would be
            stored, or `meta` contradicts the network or holds what JSON cannot. NumPy's and torch's numbers become
            plain ones.
    """
    target = Path(folder) / FILE
    config = _recipe(cascade, builder, arguments)
    tensors = {name: _stored(value) for name, value in cascade.state_dict().items()}
    _check_finite(tensors, f"{target} was not written: the network")
    if meta is None:
        known = {name: value for name, value in cascade.meta.items() if name not in ("name", "metrics")}
        meta = {**known, "rho": cascade.rho, "halo": cascade.halo}
    try:
        config, meta = _plain(config), _plain(meta)
        header = {"format": FORMAT, "config": json.dumps(config), "meta": json.dumps(meta)}
    except (TypeError, ValueError, RecursionError) as error:
        holds = "meta holds" if builder is None else "meta, or an argument of the builder, holds"
        raise WeightsError(f"{target} was not written: {holds} what JSON cannot ({error})") from None
    _check_meta(meta, config["num_classes"], cascade.stage_count - 1, f"{target} was not written: meta")
    with written_whole(target) as path:
        write_tensors(tensors, path, header)
        try:
            found = _read(path, builder)
            if builder is not None:
                _check_logits(cascade, tensors, _filled(*found[:2]))
        except WeightsError as error:
            why = str(error).replace(str(path), "it")
            way = "build it anew with the knobs or the builder that you need, and copy the weights that still fit"
            raise WeightsError(
                f"{target} was not written, because it could not be loaded: {why}; the network is no longer what its "
                f"config says, or its builder builds another: {way}"
            ) from error.__cause__
    return target


def _recipe(cascade: LayerCascade, builder: Builder | str | None, arguments: dict[str, Any]) -> dict[str, Any]:
    """How to build the cascade again, for the header."""
    known = cascade.config
    if builder is not None:
        return recipe_of(cascade, builder_name(builder), arguments or known.get("arguments", {}))
    if arguments:
        raise WeightsError(f"{', '.join(arguments)}: arguments are for a builder; name it with builder=")
    if stored_network(known.get("network")) is None:
        raise WeightsError(
            "this network was not made by irnet_lc or lite_lc, so name the function that builds it: lcnb.save(cascade, "
            f"folder, builder={known.get('builder', 'my_nets:build')!r}, num_classes={known.get('num_classes', 11)}), "
            "with `def build(num_classes)` in my_nets.py, or builder=build for a function of this notebook"
        )
    return known


def _check_logits(cascade: LayerCascade, tensors: dict[str, Tensor], again: LayerCascade) -> None:
    """Refuse arguments that build a network of the same weights which computes something else (a dilation, say)."""
    rounded = copy.deepcopy(cascade).cpu().float()
    rounded.load_state_dict(tensors)
    for s, (ours, theirs) in enumerate(zip(trial(rounded), trial(again.float()), strict=True), start=1):
        if not torch.allclose(ours, theirs, rtol=1e-3, atol=1e-3 * float(ours.abs().max())):
            raise WeightsError(
                f"the builder, given {again.config['arguments']}, makes a network whose stage {s} gives other logits"
            )


def _plain(value: Any) -> Any:
    """NumPy's and torch's numbers and arrays as Python's."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value.tolist() if hasattr(value, "tolist") else value


def write_tensors(tensors: dict[str, Tensor], path: Path, header: dict[str, str]) -> None:
    """Write a safetensors file: the same bytes for the same content, every time.

    Raises:
        OSError: it cannot be written.
    """
    try:
        save_file(tensors, path, metadata=header)
        _put_in_order(path)
    except SafetensorError as error:
        number = re.search(r"\(os error (\d+)\)", str(error))
        code = int(number[1]) if number else errno.EIO
        raise OSError(code, os.strerror(code) if number else str(error), str(path)) from None


def _put_in_order(path: Path) -> None:
    """Sort the file's own description, which safetensors writes in an order that changes from run to run."""
    with path.open("rb+") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode().ljust(length)
        if len(text) == length:  # as it is: only the order has changed
            file.seek(8)
            file.write(text)


def _stored(value: Tensor) -> Tensor:
    value = value.detach().cpu().contiguous()
    kernel = value.is_floating_point() and value.dim() == 4
    return value.half() if kernel else value.clone()  # stages may share a tensor, which safetensors does not store


def load(
    name_or_path: str | Path, device: str | torch.device = "cpu", *, builder: Builder | str | None = None
) -> LayerCascade:
    """A trained cascade, in eval mode and float32.

    Args:
        name_or_path: a name such as "streets-small", looked up in `weights/` under the data roots, or the path
            of a weights folder or of a safetensors file.
        device: where to put it.
        builder: the function that builds the network, or its name "module:function", which is imported: needed where
            `save` was given one. The name in the file is never imported; yours is used, also if it is another.

    Returns:
        The cascade, with `.meta`: name, dataset, classes, ignore_index, rho, halo, licence and, where
        `metrics.json` is there, metrics.

    Raises:
        WeightsError: there are no such weights (it says where they can be had), the file is damaged or not of this
            project, or its network needs a builder, or another one.
        LcnbError: this machine has no such device.
    """
    file, place = _find(name_or_path), usable(device)
    with torch.inference_mode(False):  # weights that are loaded inside can be trained outside
        outline, tensors, header = _read(file, builder)
        cascade = _filled(outline, tensors).eval().to(place)
    cascade.meta = _described(file, header, cascade)
    cascade.rho, cascade.halo = cascade.meta.get("rho", cascade.rho), cascade.meta.get("halo", 0)
    return cascade


def _read(file: Path, builder: Builder | str | None) -> tuple[LayerCascade, dict[str, Tensor], dict[str, str]]:
    """The network as an outline, or as its builder makes it; its tensors and the file's header, each compared."""
    try:
        with safe_open(file, framework="pt") as stored:
            header = stored.metadata() or {}
            if header.get("format") != FORMAT:
                raise WeightsError(
                    f"{file} was not written by lcnb (format {header.get('format')!r}, expected {FORMAT!r})"
                )
            outline = _outline(header, file, builder)
            _check_tensors(outline, {key: stored.get_slice(key) for key in stored.keys()}, file)  # noqa: SIM118
            tensors = {key: stored.get_tensor(key) for key in outline.state_dict()}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{file} is damaged or no safetensors file ({error}); fetch it again") from None
    _check_finite(tensors, str(file))
    return outline, tensors, header


def _find(name_or_path: str | Path) -> Path:
    """The safetensors file. Names come first: a folder that happens to be called like one does not hide it."""
    known = available()
    if str(name_or_path) in known:
        return known[str(name_or_path)] / FILE
    try:
        path = absolute(name_or_path)
    except ValueError as error:  # a name that no file can have
        raise WeightsError(f"no weights can be named {str(name_or_path)!r} ({error})") from None
    for file in (path, path / FILE):
        if os.path.isfile(file):
            return file
    raise WeightsError(
        f"no weights named {str(name_or_path)!r} in weights/ under {searched()} (there: {', '.join(known) or 'none'}), "
        f"and no {path} with {FILE}; shipped weights are in data/weights of {CHECKOUT}: clone it, or point LCNB_DATA "
        "at a folder that holds weights/"
    )


def _outline(header: dict[str, str], file: Path, builder: Builder | str | None) -> LayerCascade:
    """The network that the header describes, on the meta device: shapes without memory. A builder's is real.

    Raises:
        WeightsError: it describes none, one that this version does not build, or one that needs a builder.
    """
    config = _parsed(header.get("config"), f"{file} describes no network")
    name = config.pop("network", None)
    if name == BUILT:
        return _rebuilt(config, file, builder)
    network = stored_network(name)
    if network is None:
        known = ", ".join(n.stored for n in NETWORKS.values())
        raise WeightsError(f"{file} describes a network {name!r:.60}; this version builds {known} only")
    if builder is not None:
        raise WeightsError(f"{file} holds {network.stored}, which lcnb builds by itself: leave the builder out")
    for knob, value in config.items():
        _check_knob(network, knob, value, file)
    knobs: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in config.items()}
    try:
        with torch.device("meta"):
            return network.build(**knobs)
    except ValueError as error:  # within its bounds, and still no value that the network takes
        raise WeightsError(f"{file} describes no network that can be built: {error}") from None


def _rebuilt(config: dict[str, Any], file: Path, builder: Builder | str | None) -> LayerCascade:
    """What the builder makes of the arguments in the file."""
    named, arguments = config.get("builder"), config.get("arguments")
    if not _is_word(named) or not isinstance(arguments, dict):
        raise WeightsError(f"{file} names no builder and its arguments; fetch it again")
    if builder is None:
        raise BuilderNeeded(
            f"{file} holds a network that the function {named:.100} builds; lcnb runs that code only if you name it: "
            f"builder={named!r:.100} in lcnb.load, --builder {named:.100} on the command line"
        )
    with torch.random.fork_rng(devices=[]):
        network = built(builder, arguments).cpu()
    for name in ("mean", "std"):
        buffer: Tensor = getattr(network, name)
        given: Any = config.get(name)
        least = 0 if name == "std" else -math.inf
        fits = isinstance(given, list) and all(type(v) in (int, float) and least < v < math.inf for v in given)
        if not fits or len(given) != buffer.numel():
            raise WeightsError(f"{file} gives {name}={given!r:.60}; it takes {buffer.numel()} numbers")
        buffer.copy_(torch.tensor(given).view_as(buffer))
    return network


def _check_knob(network: Network, name: str, value: Any, file: Path) -> None:
    if not network.has(name):
        raise WeightsError(f"{file} sets {name!r}, which {network.stored} does not have; is it of a newer version?")
    default, (low, high) = getattr(network.knobs, name), BOUNDS[name]
    values = value if isinstance(default, tuple) and isinstance(value, list) else [value]
    count, sample = (len(default), default[0]) if isinstance(default, tuple) else (1, default)
    kinds = (int,) if isinstance(sample, int) else (int, float)
    if len(values) != count or not all(type(v) in kinds and low <= v <= high for v in values):
        one = f"{'whole ' if kinds == (int,) else ''}number from {low} to {high}"
        takes = f"a {one}" if count == 1 else f"{count} values, each a {one}"
        raise WeightsError(f"{file} asks for {name}={value!r:.60}; it takes {takes}")


def _check_tensors(outline: LayerCascade, stored: dict[str, Any], file: Path) -> None:
    """Compare names, shapes and kinds with those the network needs; `stored` holds safetensors' slices."""
    wanted, fit = outline.state_dict(), f"{file} does not fit its network"
    if outline.config["network"] == BUILT:
        fit = f"{file} does not fit the network that {outline.config['builder']} builds"
    missing, extra = sorted(wanted.keys() - stored.keys()), sorted(stored.keys() - wanted.keys())
    if missing or extra:
        kinds = [(missing, "missing"), (extra, "not of it")]
        raise WeightsError(
            f"{fit}: " + "; ".join(f"{len(odd)} tensors are {are}, {odd[0]} for one" for odd, are in kinds if odd)
        )
    for name, value in wanted.items():
        shape, kind = tuple(stored[name].get_shape()), stored[name].get_dtype()
        if shape != tuple(value.shape):
            raise WeightsError(f"{fit}: {name} is {shape}, not {tuple(value.shape)}")
        if (kind in ("F16", "BF16", "F32", "F64")) != value.is_floating_point():
            raise WeightsError(f"{fit}: {name} holds numbers of kind {kind}")


def _check_finite(tensors: dict[str, Tensor], what: str) -> None:
    for name, value in tensors.items():
        if not bool(torch.isfinite(value).all()):
            raise WeightsError(f"{what} holds values that are not finite, in {name}; train it again or fetch another")


def _check_meta(meta: dict[str, Any], num_classes: int, exits: int, what: str) -> None:
    classes = meta.get("classes")
    if classes is not None and (not isinstance(classes, (list, tuple)) or len(classes) != num_classes):
        raise WeightsError(f"{what} names the classes {classes!r:.60}; the network has {num_classes}")
    if classes is not None and (not all(map(_is_word, classes)) or len(set(classes)) < num_classes):
        raise WeightsError(f"{what} names the classes {list(classes)!r:.60}; they are different words")
    for name in ("name", "dataset"):
        if meta.get(name) is not None and not _is_word(meta[name]):
            raise WeightsError(f"{what} gives {name}={meta[name]!r:.60}, which is no word")
    halo = meta.get("halo", 0)
    if type(halo) is not int or not 0 <= halo <= 1024:
        raise WeightsError(f"{what} gives halo={halo!r:.60}, which is no number of cells from 0 to 1024")
    if "rho" in meta:
        try:
            thresholds(meta["rho"], exits)
        except (TypeError, ValueError) as error:
            raise WeightsError(f"{what} has no valid threshold ({error})") from None


def _is_word(value: Any) -> bool:
    """Whether it is a text that can be shown: without line breaks, and nothing that could steer a terminal."""
    return isinstance(value, str) and value.isprintable()


def _filled(outline: LayerCascade, tensors: dict[str, Tensor]) -> LayerCascade:
    """The network with its values, each a float32 copy that no longer depends on the file."""
    wanted = outline.state_dict()
    values = {name: tensors[name].to(value.dtype, copy=True) for name, value in wanted.items()}
    if outline.config["network"] == BUILT:
        outline.load_state_dict(values)  # copied, so that what stages share stays shared
        return outline
    outline.load_state_dict(values, assign=True)
    # Built anew around the same modules: the input's mean and standard deviation are not stored, so still "meta".
    network = stored_network(outline.config["network"])
    assert network is not None
    cascade = LayerCascade(list(outline.stages), list(outline.heads), mean=network.mean, std=network.std)
    cascade.config = outline.config
    return cascade.to(memory_format=torch.channels_last)


def _described(file: Path, header: dict[str, str], network: LayerCascade) -> dict[str, Any]:
    """`.meta`: the header's, with `metrics.json` where it is there."""
    meta = {"name": file.parent.name, **_parsed(header.get("meta", "{}"), f"{file} has a damaged description")}
    _check_meta(meta, network.config["num_classes"], network.stage_count - 1, f"{file}: its description")
    metrics = file.parent / METRICS
    if metrics.is_file():
        try:
            text = metrics.read_text(encoding="utf-8")
        except (ValueError, OSError) as error:
            raise WeightsError(f"{metrics} cannot be read ({error}); fetch it again") from None
        meta["metrics"] = _parsed(text, f"{metrics} is damaged")
    return meta


def _parsed(text: str | None, fault: str) -> dict[str, Any]:
    """A JSON object; anything else is refused with the sentence that `fault` begins."""
    try:
        value = json.loads(text or "")
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{fault} ({error}); fetch it again") from None
    if not isinstance(value, dict):
        raise WeightsError(f"{fault} (a {type(value).__name__} is no JSON object); fetch it again")
    return value
