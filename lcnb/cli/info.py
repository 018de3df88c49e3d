"""`lcnb info`: what is installed, what is found, and what is wrong; it never fails itself."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from typing import Any

from lcnb.cli.console import table
from lcnb.cli.options import command
from lcnb.machine import hardware, versions
from lcnb.paths import REPOSITORY, checkout, data_roots, searched

NOTEBOOKS = 'install with `pip install "lcnb[notebooks]"`'


def add(commands: Any) -> None:
    """The command's options."""
    parser = command(
        commands, "info", run, "show versions, devices, data and weights, and what is wrong", "lcnb info --json"
    )
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print what `collect` found; always 0."""
    found = collect()
    print(json.dumps(found, indent=1) if arguments.json else text(found))
    return 0


def collect() -> dict[str, Any]:
    """Everything there is to say, as JSON takes it; a probe that fails leaves its reason in `errors`."""
    from lcnb import __version__

    errors: dict[str, str] = {}
    root = checkout()
    found: dict[str, Any] = {
        "lcnb": __version__,
        "checkout": None if root is None else str(root),
        "data_roots": [str(p) for p in data_roots()],
        "versions": versions(),
        "hardware": hardware(),
        "torch": _probe("torch", _torch, errors),
        "torchvision": _probe("torchvision", _torchvision, errors),
        "backends": _probe("backends", _backends, errors),
        "backends_unavailable": _probe("backends_unavailable", _backends_unavailable, errors),
        "datasets": _probe("datasets", _datasets, errors),
        "weights": _probe("weights", _weights, errors),
        "errors": errors,
    }
    return found | {"problems": problems(found)}


def _probe(name: str, probe: Callable[[], Any], errors: dict[str, str]) -> Any:
    try:
        return probe()
    except Exception as error:  # anything at all: this command explains broken installations
        errors[name] = " ".join(f"{type(error).__name__}: {error}".split())[:400]
        return None


def _torch() -> dict[str, Any]:
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {"threads": torch.get_num_threads(), "cuda": torch.version.cuda, "gpus": gpus}


def _torchvision() -> bool:
    import torchvision.ops  # loads the compiled operators, which is where a mismatch shows

    return bool(torchvision.ops)


def _backends() -> list[str]:
    from lcnb.regions import backends

    return backends()


def _backends_unavailable() -> dict[str, str]:
    from lcnb.regions import unavailable

    return unavailable()


def _datasets() -> dict[str, Any]:
    from lcnb.datasets import locate, names

    return {name: None if (folder := locate(name)) is None else _one(name, str(folder)) for name in names()}


def _one(name: str, folder: str) -> dict[str, Any]:
    from lcnb.datasets import load_dataset, splits
    from lcnb.errors import DataError

    counts: dict[str, Any] = {}
    for split in splits(name):
        try:
            counts[split] = len(load_dataset(name, split))
        except DataError as error:
            counts[split] = str(error)
    return {"folder": folder, "splits": counts}


def _weights() -> dict[str, str]:
    """By name, read from the folders alone, so that a broken torch does not hide them."""
    found: dict[str, str] = {}
    for root in data_roots():
        for file in sorted((root / "weights").glob("*/model.safetensors")):
            found.setdefault(file.parent.name, str(file.parent))
    return found


def problems(found: dict[str, Any]) -> list[str]:
    """What is wrong, a sentence each that ends in what to do; empty when all is well."""
    return [*_broken_torch(found), *_missing_jupyter(found["versions"]), *_data_faults(found), *_no_weights(found)]


def _broken_torch(found: dict[str, Any]) -> list[str]:
    errors, installed = found["errors"], found["versions"]
    if "torch" in errors:
        return [
            f"torch cannot be imported ({errors['torch']}): install it anew with `pip install --force-reinstall torch`"
        ]
    if "torchvision" not in errors:
        return []
    why = errors["torchvision"]
    if "torchvision::nms" in why or "undefined symbol" in why:
        return [
            f"torchvision {installed['torchvision']} was built for another torch than {installed['torch']} ({why}): "
            "take both from one place, for example `pip install --force-reinstall torch torchvision`, or both as CPU "
            "builds"
        ]
    return [f"torchvision cannot be imported ({why}): install it anew, from where torch comes from"]


def _missing_jupyter(installed: dict[str, str | None]) -> list[str]:
    needed = ("jupyterlab", "ipywidgets", "ipykernel", "papermill", "nbconvert", "matplotlib")
    missing = [name for name in needed if installed[name] is None]
    return [f"the notebooks need {', '.join(missing)}: {NOTEBOOKS}"] if missing else []


def _data_faults(found: dict[str, Any]) -> list[str]:
    faults = [
        f"LCNB_DATA names {part}, which is no folder: correct it or unset LCNB_DATA"
        for part in _given()
        if not os.path.isdir(os.path.expanduser(part))
    ]
    if found["datasets"] is None:
        return faults
    folders = [d["folder"] for d in found["datasets"].values() if d] + list((found["weights"] or {}).values())
    faults += [
        f"LCNB_DATA names {part}, but no data set and no weights/ are in it: point it at the folder above camvid/, "
        "voc2012/ or cityscapes/"
        for part in _given()
        if os.path.isdir(os.path.expanduser(part)) and not _holds(part, folders)
    ]
    for name, one in found["datasets"].items():
        faults += [f"{name}: {v}" for v in (one["splits"].values() if one else ()) if isinstance(v, str)]
    if found["datasets"].get("streets") is None:
        faults.append(
            f"the embedded data set streets is not in {searched()}: it is in data/streets of {REPOSITORY}; clone it "
            "and work there, or point LCNB_DATA at its data/"
        )
    return faults


def _given() -> list[str]:
    return [p for p in os.environ.get("LCNB_DATA", "").split(os.pathsep) if p.strip()]


def _holds(part: str, folders: list[str]) -> bool:
    root = os.path.realpath(os.path.expanduser(part))
    return any(f == root or f.startswith(root + os.sep) for f in folders)


def _no_weights(found: dict[str, Any]) -> list[str]:
    if found["weights"]:
        return []
    return [
        f"no weights are in weights/ under {searched()}: they are in data/weights of {REPOSITORY}; clone it, or train "
        "with `lcnb train` and `lcnb weights pack`"
    ]


def text(found: dict[str, Any]) -> str:
    """The same for people."""
    parts = [
        f"lcnb {found['lcnb']}, {found['checkout'] or 'installed without its source tree'}",
        _versions(found),
        _devices(found),
        _backend_list(found),
        _data(found),
        _weight_list(found),
    ]
    wrong = [f"  - {sentence}" for sentence in found["problems"]]
    parts.append("\n".join(["what is wrong:", *wrong]) if wrong else "what is wrong: nothing found")
    return "\n\n".join(parts)


def _versions(found: dict[str, Any]) -> str:
    rows = [("package", "version"), ("python", found["hardware"]["python"])]
    return table([*rows, *((name, v or "not installed") for name, v in found["versions"].items())])


def _devices(found: dict[str, Any]) -> str:
    hardware, torch = found["hardware"], found["torch"]
    memory = "" if hardware["memory_gb"] is None else f", {hardware['memory_gb']:g} GB"
    lines = [f"cpu: {hardware['cpu']}, {hardware['cores']} cores{memory}, {hardware['platform']}"]
    if torch is not None:
        gpus = ", ".join(torch["gpus"]) or "none"
        lines += [f"torch threads: {torch['threads']}", f"cuda: {gpus} (torch built for {torch['cuda'] or 'no CUDA'})"]
    return "\n".join(lines)


def _backend_list(found: dict[str, Any]) -> str:
    lines = [f"region backends: {', '.join(found['backends'] or ['unknown: torch is broken'])}"]
    lines += [f"  not {name}: {reason}" for name, reason in (found["backends_unavailable"] or {}).items()]
    return "\n".join(lines)


def _data(found: dict[str, Any]) -> str:
    if found["datasets"] is None:
        return "data sets: unknown, as torch or torchvision is broken"
    rows: list[tuple[str, str, str]] = [("data set", "splits", "folder")]
    for name, one in found["datasets"].items():
        if one is None:
            rows.append((name, "-", "not found"))
        else:
            counts = (f"{s} {n if isinstance(n, int) else 'damaged'}" for s, n in one["splits"].items())
            rows.append((name, ", ".join(counts), one["folder"]))
    return table(rows)


def _weight_list(found: dict[str, Any]) -> str:
    return table([("weights", "folder"), *(found["weights"] or {"none": "-"}).items()])
