"""`lcnb info`: what is installed, what is found, and what is wrong; it never fails itself.

First the report, then the probes (plain values; each may fail where the installation is broken), then what is wrong,
in sentences that end in what to do.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import re
import shutil
import sys
import tomllib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lcnb.cli.console import table
from lcnb.cli.options import command, flag
from lcnb.machine import hardware, version, versions
from lcnb.paths import CHECKOUT, absolute, cache_root, checkout, data_roots, extra, given_roots, searched

SPACE_GB, MEMORY_GB = 1.0, 3.0
"""Below which room may not do: for executed notebooks, pages and temporary files; for a kernel, whose
own part tests/notebooks/test_run.py bounds at .85 GB, and libraries, JupyterLab and a browser."""
EXTENSIONS = {"jupyterlab_widgets": "@jupyter-widgets/jupyterlab-manager", "anywidget": "anywidget"}
"""JupyterLab's extensions that draw the lessons' widgets, by the package that brings each."""


def add(commands: Any) -> None:
    """The command's options."""
    text = "show versions, devices, data and weights, and what is wrong"
    command(commands, "info", run, text, "lcnb info --json", [flag("--json", "as JSON")])


def run(arguments: argparse.Namespace) -> int:
    """Print what `collect` found; always 0."""
    found = collect()
    print(json.dumps(found, indent=1) if arguments.json else text(found))
    return 0


def collect() -> dict[str, Any]:
    """Everything there is to say, as JSON takes it; a probe that fails leaves its reason in `errors`."""
    from lcnb import __version__

    errors: dict[str, str] = {}

    def tried(name: str, probe: Callable[[], Any]) -> Any:
        try:
            with warnings.catch_warnings(action="ignore"):  # torch's on a NumPy that is not there; the report says it
                return probe()
        except Exception as error:  # anything at all: this command explains broken installations
            errors[name] = " ".join(f"{type(error).__name__}: {error}".split())[:400]
            return None

    root = checkout()
    found: dict[str, Any] = {
        "lcnb": __version__,
        "checkout": None if root is None else str(root),
        "data_roots": [str(p) for p in data_roots()],
        "versions": versions(),
        "hardware": hardware(),
        **{probe.__name__: tried(probe.__name__, probe) for probe in PROBES},
        "errors": errors,
    }
    return found | {"problems": problems(found)}


def text(found: dict[str, Any]) -> str:
    """The same for people."""
    packages = [(name, v or "not installed") for name, v in found["versions"].items()]
    wrong = "".join(f"\n  - {sentence}" for sentence in found["problems"]) or " nothing found"
    return "\n\n".join(
        [
            f"lcnb {found['lcnb']}, {found['checkout'] or 'installed without its source tree'}",
            table([("package", "version"), ("python", found["hardware"]["python"]), *packages]),
            _devices(found["hardware"], found["torch"]),
            _engines(found),
            _data(found["datasets"]),
            table([("weights", "folder"), *(found["weights"] or {"none": "-"}).items()]),
            f"what is wrong:{wrong}",
        ]
    )


def _devices(hardware: dict[str, Any], torch: dict[str, Any] | None) -> str:
    memory = "" if hardware["memory_gb"] is None else f", {hardware['memory_gb']:g} GB"
    cpu = f"cpu: {hardware['cpu']}, {hardware['cores']} cores{memory}, {hardware['platform']}"
    if torch is None:
        return cpu
    gpus = f"cuda: {', '.join(torch['gpus']) or 'none'} (torch built for {torch['cuda'] or 'no CUDA'})"
    return f"{cpu}\ntorch threads: {torch['threads']}\n{gpus}"


def _engines(found: dict[str, Any]) -> str:
    lines = [f"region backends: {', '.join(found['backends'] or ['unknown: torch is broken'])}"]
    lines += [f"  not {name}: {reason}" for name, reason in (found["backends_unavailable"] or {}).items()]
    kernels = "unknown, they cannot be looked for"
    if native := found["native"]:
        missing = f"none, torch's operations run instead ({native['why_not']})"
        lanes = native["lanes"]
        kernels = f"compiled for this processor, {lanes} floats at a time" if lanes is not None else missing
    return "\n".join([*lines, f"native CPU kernels: {kernels}"])


def _data(datasets: dict[str, Any] | None) -> str:
    if datasets is None:
        return "data sets: unknown, as torch or torchvision is broken"
    rows: list[tuple[str, str, str]] = [("data set", "splits", "folder")]
    for name, one in datasets.items():
        if one is None:
            rows.append((name, "-", "not found"))
        else:
            counts = {s: f"{s} {n if isinstance(n, int) else 'damaged'}" for s, n in one["splits"].items()}
            rows += [(name, ", ".join(counts[s] for s in own) or "-", folder) for folder, own in one["folders"].items()]
    return table(rows)


def free_gb(folder: str | Path = ".") -> float | None:
    """Free space where results would go, in 10^9 bytes; None where the system does not say."""
    try:
        return round(shutil.disk_usage(absolute(folder)).free / 1e9, 1)
    except OSError:
        return None


def torch() -> dict[str, Any]:
    """Threads, and what it sees of GPUs."""
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {"threads": torch.get_num_threads(), "cuda": torch.version.cuda, "gpus": gpus}


def torchvision() -> bool:
    """Loads the compiled operators, which is where a mismatch with torch shows."""
    import torchvision.ops

    return bool(torchvision.ops)


def driver() -> str | None:
    """Version of NVIDIA's driver on Linux; None where there is none."""
    try:
        words = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return None
    return next((w for w in words if w[:1].isdigit() and "." in w), "unknown")


def requirements() -> list[dict[str, Any]]:
    """Each package that this one, or its `notebooks` extra, asks for: name, wanted, installed, extra, fits."""
    found = []
    for line in _required():
        wanted, _, marker = line.partition(";")
        name, bounds = re.match(r"\s*([\w.-]+)\s*(.*?)\s*$", wanted).groups()  # type: ignore[union-attr]
        extra = re.search(r"extra == ['\"](\w+)", marker)
        if extra is None or extra[1] == "notebooks":
            here = version(name)
            row = {"name": name, "wanted": bounds, "installed": here, "extra": extra and extra[1]}
            found.append(row | {"fits": here is not None and _within(here, bounds)})
    return found


def _required() -> list[str]:
    """As the installed package says, or the source tree that was never installed."""
    try:
        return importlib.metadata.requires("lcnb") or []
    except importlib.metadata.PackageNotFoundError:
        root = checkout()
        if root is None:
            raise
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        more = project["optional-dependencies"]["notebooks"]
        return [*project["dependencies"], *(f'{line}; extra == "notebooks"' for line in more)]


def _within(installed: str, bounds: str) -> bool:
    """Taken for granted where `packaging` is missing: it comes with Jupyter, not with torch."""
    try:
        from packaging.specifiers import SpecifierSet
    except ImportError:
        return True
    return SpecifierSet(bounds).contains(installed, prereleases=True)


def kernel() -> str:
    """The Python that JupyterLab would start for a notebook that asks for `python3`."""
    from jupyter_client.kernelspec import KernelSpecManager

    first = KernelSpecManager().get_kernel_spec("python3").argv[0]
    if first in ("python", "python3", f"python3.{sys.version_info.minor}"):  # Jupyter puts its own in this place
        return sys.executable
    return shutil.which(first) or first


def widgets() -> dict[str, str | None]:
    """Versions of `EXTENSIONS`, as JupyterLab would load them; None for one that is not there."""
    from jupyter_core.paths import jupyter_path

    found: dict[str, str | None] = dict.fromkeys(EXTENSIONS)
    for package, name in EXTENSIONS.items():
        files = [Path(folder, "package.json") for folder in jupyter_path("labextensions", *name.split("/"))]
        if file := next(filter(Path.is_file, files), None):
            found[package] = json.loads(file.read_text(encoding="utf-8"))["version"]
    return found


def backends() -> list[str]:
    """Backends of the region convolution that run here."""
    from lcnb.regions import backends

    return backends()


def backends_unavailable() -> dict[str, str]:
    """Those that do not, with the reason."""
    from lcnb.regions import unavailable

    return unavailable()


def native() -> dict[str, Any]:
    """Floats in a vector of the native CPU kernels, or None and why there are none. It may compile them."""
    from lcnb.regions.native import kernels, why_not

    return {"lanes": getattr(kernels(), "lanes", None), "why_not": why_not()}


def datasets() -> dict[str, Any]:
    """By name: `folders`, the splits read from each; `splits`, pairs or what is wrong; None for one not here."""
    from lcnb.datasets import folders, load_dataset, names, splits
    from lcnb.errors import DataError

    def pairs(name: str, split: str) -> int | str:
        try:
            return len(load_dataset(name, split))
        except DataError as error:
            return str(error)

    found: dict[str, Any] = {}
    for name in names():
        places = {str(folder): own for folder, own in folders(name).items()}
        found[name] = {"folders": places, "splits": {s: pairs(name, s) for s in splits(name)}} if places else None
    return found


def weights() -> dict[str, str]:
    """By name, read from the folders alone, so that a broken torch does not hide them."""
    files = [file for root in reversed(data_roots()) for file in sorted((root / "weights").glob("*/model.safetensors"))]
    return {file.parent.name: str(file.parent) for file in files}


def damaged_weights() -> list[str]:
    """What `lcnb.load` says of those that it cannot read."""
    from lcnb.errors import WeightsError
    from lcnb.weights import available, load

    said = []
    for folder in available().values():
        try:
            load(folder)
        except WeightsError as error:
            said.append(str(error))
    return said


def cache() -> dict[str, Any]:
    """Where measurements of this machine are kept, and whether that can be written."""
    folder = cache_root()
    there = next(p for p in (folder, *folder.parents) if p.exists())
    return {"folder": str(folder), "writable": there.is_dir() and os.access(there, os.W_OK)}


PROBES = (
    free_gb, torch, torchvision, driver, requirements, kernel, widgets, backends, backends_unavailable, native,
    datasets, weights, damaged_weights, cache,
)  # fmt: skip
"""In the order of the report, which has them by name."""


def problems(found: dict[str, Any]) -> list[str]:
    """What is wrong, from what the probes found; empty when all is well."""
    looks = (_torch_faults, _unused_gpu, _packages, _jupyter, _data_faults, _weight_faults, _room, _failed_probes)
    return [sentence for look in looks for sentence in look(found)]


def _torch_faults(found: dict[str, Any]) -> Iterator[str]:
    errors, installed = found["errors"], found["versions"]
    if why := errors.get("torch"):
        yield f"torch cannot be imported ({why}): install it anew with `pip install --force-reinstall torch`"
    elif not (why := errors.get("torchvision")):
        return
    elif "torchvision::nms" in why or "undefined symbol" in why:
        yield (
            f"torchvision {installed['torchvision']} was built for another torch than {installed['torch']} ({why}): "
            "take both from one place, for example `pip install --force-reinstall torch torchvision`, or both as CPU "
            "builds"
        )
    else:
        yield f"torchvision cannot be imported ({why}): install it anew, from where torch comes from"


def _unused_gpu(found: dict[str, Any]) -> Iterator[str]:
    torch, driver = found["torch"], found["driver"]
    if driver is None or torch is None or torch["gpus"]:
        return
    why = (
        f"torch (built for CUDA {torch['cuda']}) sees no GPU: update the driver, or look whether CUDA_VISIBLE_DEVICES "
        "hides the GPU"
    )
    if torch["cuda"] is None:
        why = "this torch is built without CUDA: install a CUDA build of torch and torchvision to use the GPU"
    yield f"NVIDIA's driver {driver} is here, but {why} (without it all notebooks run too)"


def _packages(found: dict[str, Any]) -> Iterator[str]:
    """Missing and outdated ones, of the core and of the notebooks."""
    rows = found["requirements"] or []
    if missing := [r["name"] for r in rows if r["installed"] is None and r["extra"]]:
        yield f"the notebooks need {', '.join(missing)}: install with `{extra('notebooks')}`"
    for r in rows:
        name, needs = r["name"], f"{'the notebooks need' if r['extra'] else 'lcnb needs'} {r['name']}{r['wanted']}"
        if r["installed"] is None and not r["extra"]:
            yield f"{needs}, and it is not here: `pip install {name}`"
        elif r["installed"] is not None and not r["fits"]:
            yield f"{name} {r['installed']} is here, and {needs}: `pip install --upgrade {name}`"


def _jupyter(found: dict[str, Any]) -> Iterator[str]:
    installed, kernel = found["versions"], found["kernel"]
    if kernel is not None and _folder(kernel) != _folder(sys.executable):
        yield (
            f"Jupyter's kernel `python3` starts {kernel}, not {sys.executable}: notebooks opened in JupyterLab would "
            "not see this installation; `jupyter kernelspec list` shows whose it is, `jupyter kernelspec remove "
            "python3` takes it away (`lcnb run` is not affected)"
        )
    both = installed.get("jupyterlab") and installed.get("ipywidgets")
    for package in (p for p, there in (found["widgets"] or {}).items() if both and there is None):
        yield (
            f"JupyterLab has no {package}, so sliders would not show: `pip install --force-reinstall {package}` where "
            "JupyterLab is installed, then start it anew"
        )


def _folder(python: str) -> str:
    """Pythons in one folder are of one environment (links are not followed)."""
    return os.path.normcase(os.path.dirname(os.path.abspath(python)))


def _data_faults(found: dict[str, Any]) -> Iterator[str]:
    given, datasets = given_roots(), found["datasets"]
    yield from (
        f"LCNB_DATA names {p}, which is no folder: correct it or unset LCNB_DATA" for p in given if not p.is_dir()
    )
    if datasets is None:
        return
    used = [Path(folder) for one in datasets.values() if one for folder in one["folders"]]
    used += [Path(folder) for folder in (found["weights"] or {}).values()]
    yield from (
        f"LCNB_DATA names {part}, but no data set and no weights/ are in it: point it at the folder above camvid/, "
        "voc2012/ or cityscapes/"
        for part in given
        if part.is_dir() and not any(folder.is_relative_to(part) for folder in used)
    )
    counts = [(name, count) for name, one in datasets.items() if one for count in one["splits"].values()]
    yield from (f"{name}: {count}" for name, count in counts if isinstance(count, str))
    if datasets.get("streets") is None:
        yield (
            f"the embedded data set streets is not in {searched()}: it is in data/streets of {CHECKOUT}; clone it "
            "and work there, or point LCNB_DATA at its data/"
        )


def _weight_faults(found: dict[str, Any]) -> Iterator[str]:
    yield from found["damaged_weights"] or []
    if not found["weights"]:
        yield (
            f"no weights are in weights/ under {searched()}: they are in data/weights of {CHECKOUT}; clone it, or "
            "train with `lcnb train` and `lcnb weights pack`"
        )


def _room(found: dict[str, Any]) -> Iterator[str]:
    cache, space, memory = found["cache"], found["free_gb"], found["hardware"]["memory_gb"]
    if cache is not None and not cache["writable"]:
        yield (
            f"{cache['folder']} cannot be written, so that each process compiles the native kernels "
            "again (seconds): set LCNB_CACHE to a folder of yours"
        )
    if space is not None and space < SPACE_GB:
        yield f"only {space:g} GB are free here: executed notebooks and pages may not fit; make room"
    if memory is not None and memory < MEMORY_GB:
        yield (
            f"this machine has {memory:g} GB of memory: a notebook takes up to 1.2 GB beside JupyterLab and the "
            "browser; close other programs, and run one notebook at a time"
        )


def _failed_probes(found: dict[str, Any]) -> Iterator[str]:
    """Probes that failed for a reason which no sentence above names: each reason once."""
    errors = found["errors"]
    if "torch" not in errors and "torchvision" not in errors:
        without_jupyter = ("kernel", "widgets") if found["versions"]["jupyterlab"] is None else ()
        for why in dict.fromkeys(why for name, why in errors.items() if name not in without_jupyter):
            yield f"{why}: install anew what it names, for example with `pip install --force-reinstall NAME`"
