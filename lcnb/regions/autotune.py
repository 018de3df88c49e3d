"""Which implementation of a job is the fastest: measured on this machine, kept on disk.

Shape letters: N active cells, C channels.

A job on regions is done by a kernel of ours or by torch's operations (`lcnb.regions.rows`). What it costs grows with
the number of active cells; a dense map costs about the same for few cells as for many. Both are timed at half of the
cells and at all of them, and where the two lines cross is the fraction from which the map is taken. What is found
depends on the processor, its threads, the versions of torch and of this table, the dtype, and whether there are kernels
of ours, and is kept under all of these: the second time a network is prepared, nothing is measured.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import json
import math
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch

from lcnb.machine import cpu_model
from lcnb.paths import cache_root, written_whole
from lcnb.regions.native import kernels, why_not
from lcnb.regions.native_build import NativeError
from lcnb.regions.region import Region
from lcnb.regions.rows import TORCH, C, Frame, Slot, Tunable
from lcnb.regions.workspace import Workspace

Key = TypeVar("Key", bound=Hashable)
VERSION = 4
"""Of the table. Raise it when implementations change."""
GRID = (48, 48)
"""Cells of the map that is measured on: about those of an image of 480x360 pixels."""
MIXED = 8
"""Blobs along a side of the mask that is measured with."""
ROUNDS, SECONDS = 12, 0.15
"""Of each implementation: at most so many rounds, and no new one after so much time for each."""
NEVER = math.inf
SHARES = {True: 0.15, False: 0.9}
"""Fractions of active cells from which a map is taken where nothing is measured: of a pool, of a convolution."""
GAIN = 0.85
"""Torch's operations are taken where they need less than this part of the time of a kernel of ours, which saves more
than is seen in the time of one job: starting threads, and copies."""
Known = dict[str, tuple[str, float | None]]
"""By key of a job: the implementation for regions, and the fraction from which a map is taken (None: never)."""


def settle(jobs: Iterable[Tunable], dtype: torch.dtype, device: torch.device, native: bool = True) -> None:
    """Give each job its implementations, from the table; what it does not have is measured.

    Args:
        jobs: of a prepared network.
        dtype, device: of their weights.
        native: whether kernels of ours may be chosen.
    """
    jobs, native = list(jobs), native and _are_there(dtype, device)
    path, machine = table_file(), machine_key(dtype, device, native)
    known = read(path).get(machine, {})
    untried = {job.key: job for job in jobs if job.key not in known}
    if untried:
        known = known | {key: measure(job, dtype, device, native) for key, job in untried.items()}
        write(path, read(path) | {machine: known})
    for job in jobs:
        sparse, fraction = known[job.key]
        job.take(sparse)
        job.dense_from = NEVER if fraction is None else fraction


def unmeasured(jobs: Iterable[Tunable], dtype: torch.dtype, device: torch.device) -> None:
    """Torch's operations, and maps from two fixed fractions on."""
    for job in jobs:
        job.take(TORCH)
        job.dense_from = SHARES[job.key.startswith("maximum")] if job.maps else NEVER


def all_native(jobs: Iterable[Tunable], dtype: torch.dtype, device: torch.device) -> None:
    """Kernels of ours for all jobs, and no maps.

    Raises:
        NativeError: there are none.
    """
    if device.type != "cpu" or dtype != torch.float32:
        raise NativeError(f"there are native kernels for float32 on a CPU; got {dtype} on {device}")
    if reason := why_not():
        raise NativeError(f"there are no native kernels here: {reason}")
    for job in jobs:
        job.take(C)
        job.dense_from = NEVER


def chooser(native: bool | str, measure: bool) -> Callable[[list[Tunable], torch.dtype, torch.device], None]:
    """What `LayerCascade.for_inference` is told, as a function.

    Raises:
        ValueError: `native` is neither a bool nor "auto".
    """
    if native not in (True, False, "auto"):
        raise ValueError(f'native is True, False or "auto", got {native!r}')
    if native is True:
        return all_native
    return functools.partial(settle, native=native == "auto") if measure else unmeasured


def _are_there(dtype: torch.dtype, device: torch.device) -> bool:
    return device.type == "cpu" and dtype == torch.float32 and kernels() is not None


def table_file() -> Path:
    """Where the table is."""
    return cache_root() / f"autotune-{VERSION}.json"


def machine_key(dtype: torch.dtype, device: torch.device, native: bool = False) -> str:
    """What else a choice depends on, in a few letters."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_model()
    known = torch.backends.cpu.get_cpu_capability()  # a virtual machine may hide the rest of the name
    parts = [name, known, torch.__version__, str(torch.get_num_threads()), str(dtype), C if native else TORCH]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def read(path: Path) -> dict[str, Known]:
    """The table: machine -> what is known there. Empty if there is none, or none that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {str(m): {str(k): _checked(*v) for k, v in known.items()} for m, known in found.items()}
    except (OSError, ValueError, AttributeError, TypeError):  # no file, no JSON, another layout: it is measured again
        return {}


def write(path: Path, table: dict[str, Known]) -> None:
    """Keep the table; where nothing can be written, the shares found serve this process only."""
    try:
        with written_whole(path) as temporary:
            temporary.write_text(json.dumps(table, indent=1, sort_keys=True), encoding="utf-8")
    except OSError:
        pass


def _checked(sparse: Any, fraction: Any) -> tuple[str, float | None]:
    if sparse in (C, TORCH) and (fraction is None or (isinstance(fraction, (int, float)) and fraction >= 0)):
        return sparse, fraction
    raise ValueError(f"{sparse!r}, {fraction!r} is no choice")


@torch.inference_mode()
def measure(job: Tunable, dtype: torch.dtype, device: torch.device, native: bool) -> tuple[str, float | None]:
    """The implementation of a job for regions, and the fraction from which a map is faster (None: never)."""
    half, full = _half(device), Region.full(1, *GRID, device)
    twins: dict[str, Tunable] = {}
    for sparse in (C, TORCH) if native else (TORCH,):
        twins[sparse] = copy.copy(job)
        twins[sparse].dense_from = NEVER
        if not twins[sparse].take(sparse):
            del twins[sparse]
    runs = {(name, region): _once(twin, region, dtype) for name, twin in twins.items() for region in (half, full)}
    if job.maps:
        twin = copy.copy(job)
        twin.dense_from = 0.0
        runs |= {("map", region): _once(twin, region, dtype) for region in (half, full)}
    times = shortest(runs)
    best = min(twins, key=lambda name: times[name, half] * (GAIN if name == C else 1))
    if not job.maps:
        return best, None
    sparse_times, dense_times = ([times[name, region] for region in (half, full)] for name in (best, "map"))
    fraction = crossing(len(half) / len(full), sparse_times, dense_times)
    return best, None if fraction == NEVER else round(fraction, 3)


def crossing(share: float, sparse: Sequence[float], dense: Sequence[float]) -> float:
    """Where the line of one way meets the other's.

    Args:
        share: of the cells that the first time of each was taken at; the second was taken at all.
        sparse, dense: two times each, in one unit.
    """
    before, behind = sparse[0] - dense[0], sparse[1] - dense[1]
    if behind < 0:
        return NEVER
    if before >= behind:  # the sparse way does not get slower faster: then what it costs at all decides
        return 0.0
    return max(0.0, 1 - behind * (1 - share) / (behind - before))


def _half(device: torch.device) -> Region:
    """Patches that cover half of the grid."""
    noise = torch.rand(1, 1, MIXED, MIXED, generator=torch.Generator().manual_seed(0), device="cpu")
    smooth = torch.nn.functional.interpolate(noise, size=GRID, mode="bicubic")[:, 0]
    return Region((smooth > smooth.median()).to(device))


def _once(job: Tunable, region: Region, dtype: torch.dtype) -> Callable[[], None]:
    """One run of a job on rows of its own, to its end."""
    source = Slot("source", 0, job.source.channels)
    outputs = sum(t.channels for t in job.targets)
    job.source, starts = source, [sum(t.channels for t in job.targets[:i]) for i in range(len(job.targets))]
    job.targets = [Slot("target", start, t.channels) for start, t in zip(starts, job.targets, strict=True)]
    rows = torch.rand(len(region) + 1, source.channels, device=region.device).to(dtype)
    rows[-1] = 0
    frame = Frame(Workspace(region, rows), {}, {"source": rows, "target": rows.new_zeros(len(rows), outputs)})

    def once() -> None:
        job.run(frame)
        frame.work.finish()
        if region.device.type == "cuda":
            torch.cuda.synchronize(region.device)

    return once


def shortest(runs: Mapping[Key, Callable[[], None]]) -> dict[Key, float]:
    """Seconds of the shortest of a few runs of each, in turns: noise only ever adds, and meets all alike."""
    best, begun = dict.fromkeys(runs, math.inf), time.perf_counter()
    for turn in range(ROUNDS):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if turn:  # the first one builds tables and takes memory
                best[name] = min(best[name], time.perf_counter() - start)
        if turn and time.perf_counter() - begun > SECONDS * len(runs):
            break
    return best
