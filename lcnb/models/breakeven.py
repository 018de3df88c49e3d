"""Which way of a layer is the sooner one: measured on this machine, kept on disk.

Shape letters: B images, h, w the grid, N active cells, C channels.

The sparse way of a layer takes longer the more cells are active, the way through a map takes about as long for few
cells as for many. Each is timed at half of the cells and at all of them; where the two lines cross is the break-even
share. The sparse way itself is torch's operations or a kernel of ours, and a product of rows has three ways
(`lcnb.regions.products`): of these the soonest is taken for any number of rows. What is found depends on the
processor, its threads, the versions of torch and of this table, the dtype, and whether there are kernels of ours, and
is kept under all of these: the second time a network is prepared, nothing is measured.
"""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
import math
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from lcnb.machine import cpu_model
from lcnb.paths import cache_root, written_whole
from lcnb.regions import Region
from lcnb.regions.native import kernels, why_not
from lcnb.regions.native_build import NativeError
from lcnb.regions.products import BLOCKS, NATIVE, ROUND, WHOLE, Multiply
from lcnb.regions.spatial import Spatial
from lcnb.regions.workspace import Workspace

Key = TypeVar("Key", bound=Hashable)
VERSION = 3
"""Of the table. Raise it when a layer's ways change."""
GRID = (48, 48)
"""Cells of the map that is measured on: about those of a picture of 480x360 pixels."""
MIXED = 8
"""Blobs along a side of the mask that is measured with."""
ROUNDS, SECONDS = 12, 0.15
"""Of each way and share: at most so many rounds, and no new one after so much time for each."""
NEVER = math.inf
RAGGED = 1100
"""Rows that products are measured with: about half of the cells, and no multiple of anything."""
GAIN = 0.95
"""Of the time of the first way: another is taken where it takes less."""
GAIN_OVER_OURS = 0.85
"""Of the time of a kernel of ours, likewise, for a product."""
Known = dict[str, float | str | None]
"""By key: a layer's share (None: never), a product's way, and `SPARSE` with a layer's key: whose kernel gathers."""
SPARSE, OURS, TORCHS = "sparse way of ", "native", "torch"


def settle(
    layers: Sequence[Spatial],
    dtype: torch.dtype,
    device: torch.device,
    products: Sequence[Multiply] = (),
    native: bool = True,
) -> None:
    """Give each layer its sparse way and the share from which it runs on a map, each product its way.

    They come from the table; what it does not have is measured.

    Args:
        layers: of a fused cascade.
        dtype, device: of their weights.
        products: of the cascade, those inside the layers among them; settled first, as layers are timed with them.
        native: whether kernels of ours may be chosen.
    """
    native = native and device.type == "cpu" and dtype == torch.float32 and kernels() is not None
    path, machine = table_file(), machine_key(dtype, device, native)
    known = read(path).get(machine, {})
    here = products if device.type == "cpu" else ()
    untried = {product.key: product for product in here if product.key not in known}
    known = known | {key: soonest(product, native) for key, product in untried.items()}
    for product in here:
        product.take(str(known[product.key]))
    missing = {layer.key: layer for layer in layers if layer.key not in known}
    like = torch.empty(0, dtype=dtype, device=device)
    for key, layer in missing.items():
        if native:
            known = known | {SPARSE + key: OURS if native_is_sooner(layer) else TORCHS}
        layer.take_native(known.get(SPARSE + key) == OURS, like)
        known = known | {key: _stored(measure(layer, dtype, device))}
    if untried or missing:
        write(path, read(path) | {machine: known})
    for layer in layers:
        share = known[layer.key]
        layer.dense_from = NEVER if share is None else float(share)
        layer.take_native(known.get(SPARSE + layer.key) == OURS, like)


def all_native(
    layers: Sequence[Spatial], dtype: torch.dtype, device: torch.device, products: Sequence[Multiply]
) -> None:
    """Give each layer and product the kernel of ours; no layer runs on a map.

    Raises:
        NativeError: there are none.
    """
    if device.type != "cpu" or dtype != torch.float32:
        raise NativeError(f"there are native kernels for float32 on a CPU; got {dtype} on {device}")
    if reason := why_not():
        raise NativeError(f"there are no native kernels here: {reason}")
    for layer in layers:
        layer.dense_from = NEVER
        layer.take_native(True, torch.empty(0, dtype=dtype, device=device))
    for product in products:
        product.take(NATIVE)


def table_file() -> Path:
    """Where the table is."""
    return cache_root() / f"break-even-{VERSION}.json"


def machine_key(dtype: torch.dtype, device: torch.device, native: bool = False) -> str:
    """What else a break-even share depends on, in a few letters."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_model()
    known = torch.backends.cpu.get_cpu_capability()  # a virtual machine may hide the rest of the name
    parts = [name, known, torch.__version__, str(torch.get_num_threads()), str(dtype), OURS if native else TORCHS]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def read(path: Path) -> dict[str, Known]:
    """The table: machine -> what is known there. Empty if there is none, or none that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {str(m): {str(k): _checked(v) for k, v in known.items()} for m, known in found.items()}
    except (OSError, ValueError, AttributeError):  # no file, no JSON, another layout: it is measured again
        return {}


def write(path: Path, table: dict[str, Known]) -> None:
    """Keep the table; where nothing can be written, the shares found serve this process only."""
    try:
        with written_whole(path) as temporary:
            temporary.write_text(json.dumps(table, indent=1, sort_keys=True), encoding="utf-8")
    except OSError:
        pass


def _checked(value: Any) -> float | str | None:
    if value is None or value in (BLOCKS, WHOLE, NATIVE, TORCHS) or (isinstance(value, (int, float)) and value >= 0):
        return value
    raise ValueError(f"{value!r} is no share, and no way")


def _stored(share: float) -> float | None:
    return None if share == NEVER else round(share, 3)


@torch.inference_mode()
def measure(layer: Spatial, dtype: torch.dtype, device: torch.device) -> float:
    """The break-even share of one layer in [0, 1], or infinity where gathering wins even with all cells active."""
    half, full = _half(device), Region.full(1, *GRID, device)
    ways = {"sparse": layer.by_gathering, "map": layer.by_map}
    shares = list(itertools.product(ways, (half, full)))
    times = shortest({(way, region): _once(ways[way], layer, region, dtype) for way, region in shares})
    sparse, dense = ([times[way, region] for region in (half, full)] for way in ways)
    return crossing(len(half) / len(full), sparse, dense)


@torch.inference_mode()
def soonest(product: Multiply, native: bool) -> str:
    """The way of a product of ragged rows that takes the least time."""
    rows = torch.rand(RAGGED + ROUND, product.weight.shape[1]).to(product.weight.dtype)[:RAGGED]
    out, work = rows.new_zeros(RAGGED, len(product.weight)), Workspace(Region.full(1, 1, RAGGED), rows)

    def once(twin: Multiply) -> Callable[[], None]:
        def run() -> None:
            twin.into(rows, out, work)
            work.finish()

        return run

    twins = {way: copy.copy(product) for way in ((BLOCKS, WHOLE, NATIVE) if native else (BLOCKS, WHOLE))}
    times = shortest({way: once(twin) for way, twin in twins.items() if twin.take(way)})
    if NATIVE in times:  # which also saves what surrounds the others: copies, and starting threads for each
        times[NATIVE] *= GAIN_OVER_OURS
    return min(times, key=lambda way: times[way] * (GAIN if way == BLOCKS else 1))


@torch.inference_mode()
def native_is_sooner(layer: Spatial) -> bool:
    """Whether a kernel of ours is sooner than torch's operations at half of the cells."""
    cpu, runs = torch.device("cpu"), dict[bool, Callable[[], None]]()
    for native in (False, True):
        twin = copy.copy(layer)
        if not twin.take_native(native, torch.empty(0, device=cpu)):
            return False
        runs[native] = _once(twin.by_gathering, twin, _half(cpu), torch.float32)
    times = shortest(runs)
    return times[True] < GAIN * times[False]


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
    noise = torch.rand(1, 1, MIXED, MIXED, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(noise, size=GRID, mode="bicubic")[:, 0]
    return Region((smooth > smooth.median()).to(device))


def _once(
    run: Callable[[Tensor, Workspace, Tensor], None], layer: Spatial, region: Region, dtype: torch.dtype
) -> Callable[[], None]:
    """One way of a layer on rows of its own, to its end."""
    rows = torch.rand(len(region) + 1, layer.channels, device=region.device).to(dtype)
    rows[-1] = 0
    work, out = Workspace(region, rows), rows.new_empty(len(region), layer.outputs)

    def once() -> None:
        run(rows, work, out)
        work.finish()
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
