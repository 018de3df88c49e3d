"""Shipped weights: one folder a network, `model.safetensors` beside `metrics.json`.

Kernels are stored as float16, batch-norm tensors as float32, and the network's knobs in the file's header,
so a file is complete by itself. Nothing is unpickled: safetensors holds numbers and text only.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from lcnb.errors import WeightsError
from lcnb.models import LayerCascade, irnet_lc
from lcnb.paths import REPOSITORY, data_roots, searched, written_whole

FORMAT = "lcnb-cascade-1"
FILE, METRICS = "model.safetensors", "metrics.json"


def available() -> dict[str, Path]:
    """Weights on disk by name, under every data root."""
    found: dict[str, Path] = {}
    for root in data_roots():
        for file in sorted((root / "weights").glob(f"*/{FILE}")):
            found.setdefault(file.parent.name, file.parent)
    return found


def save(cascade: LayerCascade, folder: Path, meta: dict[str, Any]) -> Path:
    """Write a cascade's weights.

    Args:
        cascade: made by `irnet_lc`, whose knobs are stored.
        folder: of the weights; its name is the weights' name.
        meta: dataset, classes, ignore_index, rho, licence.

    Returns:
        The file.

    Raises:
        WeightsError: the network does not know how it was built.
    """
    if not cascade.config:
        raise WeightsError("only networks made by irnet_lc can be saved: this one has no config to rebuild it from")
    tensors = {name: _stored(value) for name, value in cascade.state_dict().items()}
    header = {"format": FORMAT, "config": json.dumps(cascade.config), "meta": json.dumps(meta)}
    target = Path(folder) / FILE
    with written_whole(target) as path:
        save_file(tensors, path, metadata=header)
    return target


def _stored(value: Tensor) -> Tensor:
    value = value.detach().cpu().contiguous()
    kernel = value.is_floating_point() and value.dim() == 4
    return value.half() if kernel else value


def load(name_or_path: str | Path, device: str | torch.device = "cpu") -> LayerCascade:
    """A trained cascade, in eval mode and float32.

    Args:
        name_or_path: a name such as "streets-small", looked up in `weights/` under the data roots, or the path
            of a weights folder or of a safetensors file.
        device: where to put it.

    Returns:
        The cascade, with `.meta`: name, dataset, classes, ignore_index, rho, licence and, where
        `metrics.json` is there, metrics.

    Raises:
        WeightsError: there are no such weights (it says where they can be had), or the file is damaged or
            not of this project.
    """
    file = _find(name_or_path)
    try:
        with safe_open(file, framework="pt") as stored:
            header = stored.metadata() or {}
            tensors = {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{file} is damaged or no safetensors file ({error}); fetch it again") from None
    if header.get("format") != FORMAT:
        raise WeightsError(f"{file} was not written by lcnb (format {header.get('format')!r}, expected {FORMAT!r})")
    cascade = _build(file, header)
    _fill(cascade, tensors, file)
    cascade.meta = _described(file, header)
    cascade.rho = cascade.meta.get("rho", cascade.rho)
    return cascade.eval().to(device)


def _find(name_or_path: str | Path) -> Path:
    path = Path(name_or_path).expanduser()
    if path.suffix == ".safetensors" or path.is_dir() or path.is_file():
        file = path / FILE if path.is_dir() else path
        if not file.is_file():
            raise WeightsError(f"{file} does not exist")
        return file.resolve()
    known = available()
    if str(name_or_path) in known:
        return known[str(name_or_path)] / FILE
    there = ", ".join(known) or "none"
    raise WeightsError(
        f"no weights named {str(name_or_path)!r} in weights/ under {searched()} (there: {there}); shipped weights are in "
        f"data/weights of {REPOSITORY}: clone it, or point LCNB_DATA at a folder that holds weights/"
    )


def _build(file: Path, header: dict[str, str]) -> LayerCascade:
    try:
        config = json.loads(header["config"])
        network = config.pop("network")
        knobs = {k: tuple(v) if isinstance(v, list) else v for k, v in config.items()}
        if network != "irnet_lc":
            raise ValueError(f"network {network!r}")
        return irnet_lc(**knobs)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WeightsError(f"{file} describes a network this version cannot build ({error})") from None


def _fill(cascade: LayerCascade, tensors: dict[str, Tensor], file: Path) -> None:
    wanted = cascade.state_dict()
    missing, extra = sorted(wanted.keys() - tensors.keys()), sorted(tensors.keys() - wanted.keys())
    if missing or extra:
        raise WeightsError(f"{file} does not fit its network: {len(missing)} tensors missing, {len(extra)} unknown")
    for name, value in wanted.items():
        if tensors[name].shape != value.shape:
            raise WeightsError(
                f"{file} does not fit its network: {name} is {tuple(tensors[name].shape)}, not {tuple(value.shape)}"
            )
    cascade.load_state_dict({name: tensors[name].to(value.dtype) for name, value in wanted.items()})


def _described(file: Path, header: dict[str, str]) -> dict[str, Any]:
    meta = {"name": file.parent.name, **json.loads(header.get("meta", "{}"))}
    metrics = file.parent / METRICS
    if metrics.is_file():
        try:
            meta["metrics"] = json.loads(metrics.read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            raise WeightsError(f"{metrics} is damaged ({error}); fetch it again") from None
    return meta
