"""Running `lcnb bench`: every device and batch in turn, with the protocol stated and the machine watched."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lcnb.cli.benchinput import crops, dtype_of, inputs_of, load_cascade, load_images, load_split, rho_of, settings_of
from lcnb.cli.console import Live, bar, percent, table
from lcnb.cli.evaluate import check_classes
from lcnb.cli.options import UsageError, blamed_on, usable_device
from lcnb.paths import check_writable, write_json

if TYPE_CHECKING:
    from lcnb.benchmark.protocol import Protocol, Times

REPEATS = 10
Measured = tuple[list[dict[str, Any]], list["Times"]]


def run_ops(arguments: argparse.Namespace) -> int:
    """Blocks and layers."""
    import torch

    from lcnb.benchmark import ops
    from lcnb.regions import backends

    unknown = [p for p in arguments.path if p != ops.ROWS and p not in backends()]
    if unknown:
        raise UsageError(f"--path: no path is named {unknown[0]!r}; there are {', '.join([ops.ROWS, *backends()])}")

    def measured(device: str, batch: int, protocol: Protocol, live: Live) -> Measured:
        settings = ops.OpsSettings(
            tuple(arguments.size), arguments.width, tuple(arguments.level), tuple(arguments.share),
            tuple(arguments.mask), tuple(arguments.path), batch, dtype_of(arguments), arguments.seed,
            tuple(arguments.only),
        )  # fmt: skip
        with blamed_on("--only"), torch.device("meta"):
            ops.pieces(settings)
        found = list(ops.bench_ops(settings, device, protocol, live.show))
        return [result for result, _ in found], [t for _, times in found for t in times]

    chosen = {k: getattr(arguments, k) for k in ("level", "only", "share", "mask", "path", "width")}
    return _bench(arguments, "ops", chosen, measured, lambda results: table(ops.rows_of_table(results), range(5, 9)))


def run_model(arguments: argparse.Namespace) -> int:
    """One cascade."""
    from lcnb.benchmark import model

    cascade = load_cascade(arguments)
    images = load_images(arguments, cascade)
    rho = rho_of(arguments, cascade)
    arguments.repeats = arguments.repeats or max(REPEATS, len(images or ()))

    def measured(device: str, batch: int, protocol: Protocol, live: Live) -> Measured:
        inputs = inputs_of(arguments, images, batch, device)
        settings = settings_of(arguments, cascade, batch, rho)
        if len(inputs) > protocol.repeats:
            raise UsageError(
                f"--repeats {protocol.repeats} is less than {len(inputs)} batches of pictures; see --limit"
            )
        with blamed_on("--rho"):
            result, times = model.bench_model(cascade.to(device), inputs, settings, protocol, _bar(live))
        return [result], times

    from lcnb.regions import backends

    if arguments.path not in ("fused", *backends()):
        raise UsageError(f"--path: no path is named {arguments.path!r}; there are fused, {', '.join(backends())}")
    planned = arguments.exits is not None
    chosen: dict[str, Any] = {
        "path": arguments.path,
        "halo": cascade.halo if arguments.halo is None else arguments.halo,
        "masks": f"planned, {arguments.mask}" if planned else "true",
    }
    chosen |= {"exits": arguments.exits} if planned else {"rho": rho}
    chosen |= {"width": cascade.config.get("width"), "classes": cascade.config.get("num_classes")}
    if arguments.weights is not None:
        chosen["weights"] = cascade.meta["name"]
    if images is not None:
        chosen |= {"dataset": arguments.dataset, "split": arguments.split, "images": len(images), "size": "native"}
    return _bench(arguments, "model", chosen, measured, model_text)


def run_systems(arguments: argparse.Namespace) -> int:
    """The table of the talk."""
    from lcnb.benchmark import systems

    def measured(device: str, batch: int, protocol: Protocol, live: Live) -> Measured:
        settings = systems.SystemsSettings(
            tuple(arguments.system or systems.SYSTEMS), tuple(arguments.size), arguments.width, arguments.classes,
            arguments.exits, arguments.mask, batch, dtype_of(arguments), arguments.seed,
        )  # fmt: skip
        with blamed_on("--system"):
            settings.all_names()
        inputs = inputs_of(arguments, None, batch, device)
        return systems.bench_systems(settings, inputs, protocol, _bar(live))

    chosen = {k: getattr(arguments, k) for k in ("system", "exits", "mask", "width", "classes")}
    chosen["weights"] = "random: for cost and speed only"
    return _bench(
        arguments, "systems", chosen, measured, lambda results: table(systems.rows_of_table(results), range(3, 8))
    )


def run_training(arguments: argparse.Namespace) -> int:
    """A step of each kind."""
    from lcnb.benchmark import training

    if arguments.dtype == "float16":
        raise UsageError("--dtype float16: training has no loss scaling; take bfloat16 (autocast) or float32")
    cascade = load_cascade(arguments)
    dataset, rho = load_split(arguments, cascade), rho_of(arguments, cascade)
    check_classes(cascade, dataset.spec)

    def measured(device: str, batch: int, protocol: Protocol, live: Live) -> Measured:
        config, batches = crops(arguments, dataset, rho, batch, device, protocol.warmup + protocol.repeats)
        result, times = training.bench_training(
            cascade.to(device), batches, config, dataset.spec.ignore_index, protocol, _bar(live)
        )
        return [result], times

    chosen = {k: getattr(arguments, k) for k in ("dataset", "split")} | {"weights": cascade.meta["name"]}
    return _bench(arguments, "training", chosen | {"rho": rho}, measured, training_text)


def _bench(
    arguments: argparse.Namespace,
    kind: str,
    chosen: dict[str, Any],
    measured: Callable[[str, int, Protocol, Live], Measured],
    text: Callable[[list[dict[str, Any]]], str],
) -> int:
    """Watch the machine, measure every device and batch, report."""
    from lcnb.benchmark import LoadWatch, Protocol, document
    from lcnb.benchmark.document import stated

    check_writable(arguments.json)
    _prepare(arguments)
    devices = _devices(arguments)
    with blamed_on("--warmup"):
        protocol = Protocol(arguments.warmup, arguments.repeats or REPEATS)
    watch = LoadWatch(arguments.even_if_busy)
    results: list[dict[str, Any]] = []
    times: list[Times] = []
    with Live() as live:
        for device in devices:
            for batch in arguments.batch:
                found, taken = measured(device, batch, protocol, live)
                results, times = results + found, times + taken
    settings = {"size": arguments.size, "batch": arguments.batch, "dtype": arguments.dtype, "seed": arguments.seed}
    result = document(
        kind, settings=settings | chosen, protocol=protocol, devices=devices, timed=_timed(arguments, kind, devices),
        load=watch.end(times), results=results, argv=arguments.argv,
    )  # fmt: skip
    print(f"{stated(result)}\n\n{text(results)}")
    if arguments.json is not None:
        write_json(arguments.json, result)
        print(f"\nwritten to {arguments.json}")
    return 0


def _prepare(arguments: argparse.Namespace) -> None:
    """Threads and TF32, for the whole process."""
    import torch

    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    if arguments.tf32 is not None:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = arguments.tf32 == "on"


def _devices(arguments: argparse.Namespace) -> list[str]:
    import torch

    if arguments.device:
        return [usable_device(name) for name in arguments.device]
    return ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


def _timed(arguments: argparse.Namespace, kind: str, devices: list[str]) -> dict[str, list[str]]:
    from lcnb.benchmark import inputs, ops, training

    fixed = {"ops": ops.TIMED, "training": training.TIMED}
    return fixed.get(kind) or inputs.timed(any(d.startswith("cuda") for d in devices), arguments.resident)


def _bar(live: Live) -> Callable[[int, int], None]:
    return lambda done, total: live.show(f"{bar(done, total)} round {done} of {total}")


def model_text(results: list[dict[str, Any]]) -> str:
    """One paragraph a device and batch."""
    return "\n\n".join(map(_model, results))


def _model(r: dict[str, Any]) -> str:
    height, width = r["size"]
    head = (
        f"{r['device']}, batch {r['batch']}, {height}x{width}, {r['batches']} batch{'es' * (r['batches'] > 1)}; "
        f"left at stage 1 / 2 / 3: {' / '.join(map(percent, r['exits']))}"
    )
    failed = [f"{name} was not measured: {why}" for name, why in r["failed"].items()]
    return "\n\n".join([head, _times(r), *failed, _speedups(r["speedup"]), _stages(r), _parts(r)])


def _times(r: dict[str, Any]) -> str:
    gmac = dict.fromkeys(("cascade", "without our kernels"), r["gmac"]["cascade"])
    gmac["all stages"] = r["gmac"]["all stages"]
    rows: list[tuple[object, ...]] = [("run", "GMAC an image", "ms p50", "p95")]
    for name, ms in r["ms"].items():
        rows.append((name, f"{gmac.get(name, r['gmac']['one head']):.2f}", f"{ms['p50']:.2f}", f"{ms['p95']:.2f}"))
    return table(rows, range(1, 4))


def _speedups(s: dict[str, Any]) -> str:
    ours = f"\n{s['of_our_kernels']:.2f} x the cascade without our kernels" if "of_our_kernels" in s else ""
    return (
        f"{s['over_fastest_dense']:.2f} x the speed of the fastest dense form ({s['fastest_dense']}), "
        f"{s['multiply_adds_one_head']:.2f} by multiply-adds\n"
        f"{s['over_plain']:.2f} x the plain one (oneDNN or cuDNN); "
        f"{s['over_all_stages']:.2f} x all stages, {s['multiply_adds_all_stages']:.2f} by multiply-adds{ours}"
    )


def _stages(r: dict[str, Any]) -> str:
    rows: list[tuple[object, ...]] = [("by stage", "ms p50", "p95")]
    rows += [(name, f"{ms['p50']:.2f}", f"{ms['p95']:.2f}") for name, ms in r["stages_ms"].items()]
    return table(rows, (1, 2))


def _parts(r: dict[str, Any]) -> str:
    parts = {name: ms for name, ms in r["parts_ms"].items() if name != "sum"}
    total = r["parts_ms"]["sum"]
    rows: list[tuple[object, ...]] = [("where it goes", "ms", "share")]
    rows += [(name, f"{ms:.3f}", percent(ms / total if total else None)) for name, ms in parts.items()]
    note = (
        f"operations one by one, a pass of its own: {total:.2f} ms in all, against {r['ms']['cascade']['p50']:.2f} ms"
    )
    return f"{table(rows, (1, 2))}\n{note}"


def training_text(results: list[dict[str, Any]]) -> str:
    """One paragraph a device and batch."""
    return "\n\n".join(map(_steps, results))


def _steps(r: dict[str, Any]) -> str:
    from lcnb.benchmark.training import KINDS

    head = (
        f"{r['device']}, batches of {r['batch']} crops of {r['crop'][0]}x{r['crop'][1]}; "
        f"reach stage 1 / 2 / 3: {' / '.join(map(percent, r['reached']))}"
    )
    rows: list[tuple[object, ...]] = [("step", "ms p50", "p95", "")]
    rows += [(k, f"{r['ms'][k]['p50']:.1f}", f"{r['ms'][k]['p95']:.1f}", about) for k, about in KINDS.items()]
    ratios = (
        f"step two is {r['cascade_over_deep']:.2f} x as fast as step one, "
        f"and {r['cascade_over_hard']:.2f} x as fast as its losses without regions"
    )
    return f"{head}\n\n{table(rows, (1, 2))}\n\n{ratios}"
