"""Where a number was measured: processor, threads, versions, date, and the command that would repeat it.

Nothing here names the machine, its user or its folders, so that every result file can be published.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PACKAGES = (
    "torch", "torchvision", "numpy", "safetensors", "pillow", "jupyterlab", "ipywidgets", "ipykernel", "papermill",
    "nbconvert", "matplotlib", "seaborn", "av",
)  # fmt: skip
"""What `versions` looks up: the dependencies and the `notebooks` extra."""


def machine() -> dict[str, Any]:
    """Provenance of a measurement, as JSON takes it.

    Returns:
        What `hardware` says, and torch (version), threads, gpu (name, or None) and vector (the processor's instructions
        that torch uses, such as AVX2 or AVX512: names of processors hide them); all None if torch is broken; and
        openmp_wait, what the environment says of threads without work ("passive" costs each operation a wake-up).
    """
    return hardware() | _torch() | {"openmp_wait": _wait()}


def hardware() -> dict[str, Any]:
    """The part of the provenance that needs no torch.

    Returns:
        cpu (model), cores (that this process may use), memory_gb, platform, python, date (UTC).
    """
    return {
        "cpu": cpu_model(),
        "cores": cores(),
        "memory_gb": memory_gb(),
        "platform": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def _wait() -> str:
    spins = os.environ.get("GOMP_SPINCOUNT")
    return os.environ.get("OMP_WAIT_POLICY", "default" if spins is None else f"spin {spins}").lower()


def _torch() -> dict[str, Any]:
    try:
        import torch

        gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
        vector = torch.backends.cpu.get_cpu_capability()
        return {"torch": torch.__version__, "threads": torch.get_num_threads(), "gpu": gpu, "vector": vector}
    except Exception:  # a broken torch is the business of `lcnb info`
        return dict.fromkeys(("torch", "threads", "gpu", "vector"))


def cpu_model() -> str:
    """The processor's name as the system gives it."""
    readers = {"Linux": lambda: _listed("model name|Model|Hardware"), "Darwin": _cpu_of_macos}
    try:
        name = readers.get(platform.system(), platform.processor)()
    except (OSError, subprocess.SubprocessError):
        name = ""
    return re.sub(r"\s+", " ", name).strip() or platform.machine() or "unknown"


def cpu_is_intels() -> bool:
    """Whether Intel made the processor, for whose own some libraries keep their fastest code."""
    if platform.system() != "Linux":
        return "Intel" in f"{platform.processor()} {cpu_model()}"
    try:
        return "GenuineIntel" in _listed("vendor_id")
    except OSError:
        return False


def cpu_features() -> str:
    """What the processor can do, as the system lists it; its name where the system does not."""
    return (_listed("flags|Features") if platform.system() == "Linux" else "") or cpu_model()


def _listed(names: str) -> str:
    """What Linux lists first of the processor under one of these names; nothing where it does not."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    match = re.search(rf"^(?:{names})\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1] if match else ""


def _cpu_of_macos() -> str:
    command = ["sysctl", "-n", "machdep.cpu.brand_string"]
    return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout


def cores() -> int:
    """Logical processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_gb() -> float | None:
    """Main memory in 10^9 bytes, or None where the system does not say."""
    try:
        return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1)
    except (AttributeError, OSError, ValueError):
        return None


def versions() -> dict[str, str | None]:
    """Installed version by package name; None where it is not installed."""
    return {name: version(name) for name in PACKAGES}


def version(package: str) -> str | None:
    """The installed version of a package, read without importing it."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def command(arguments: Sequence[str] | None = None) -> str:
    """The command line that repeats this run, without folders of this machine.

    Args:
        arguments: of `lcnb`; those of this process if None.
    """
    given = sys.argv[1:] if arguments is None else arguments
    return shlex.join(["lcnb", *map(public, given)])


def public(argument: str) -> str:
    """An absolute path as one below the working directory, else as its last part; anything else as it is."""
    path = Path(argument).expanduser()
    if not path.is_absolute():
        return argument
    here = Path.cwd()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else path.name
