"""`lcnb bench`: how fast, against which opponents, and where the time goes."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lcnb
from lcnb.cli.console import Live, percent, percents, publish, stage_numbers, table
from lcnb.cli.evaluate import check_classes, dataset_name
from lcnb.cli.options import (
    BUILDER,
    DATASET,
    HALO,
    SPLIT,
    WEIGHTS,
    Option,
    UsageError,
    blamed_on,
    command,
    count,
    flag,
    loaded,
    option,
    own_unless,
    probability,
    seed,
    threads,
    usable_device,
    width,
)
from lcnb.paths import CHECKOUT, check_writable

if TYPE_CHECKING:
    from torch import Tensor

    from lcnb.benchmark.inputs import Inputs
    from lcnb.benchmark.protocol import Protocol, Times
    from lcnb.models import LayerCascade

REPEATS, WARMUP = 10, 2
MASKS = ("blobs", "boundaries", "random")
RUNTIMES = ("onnxruntime", "openvino")
Measured = tuple[list[dict[str, Any]], list["Times"]]


def exit_fractions(text: str) -> tuple[float, ...]:
    """ ".23,.29" -> the fraction of all cells that exits at each stage but the last."""
    found = tuple(probability(part) for part in text.split(","))
    if sum(found) > 1:
        raise argparse.ArgumentTypeError(f"{text}: fractions of all cells are together at most 1")
    return found


exit_fractions.__name__ = "list of fractions"


def add(commands: Any) -> None:
    """The options of the command's parts."""
    example = "lcnb bench model --width 1 --size 512 512 --exits .23,.29 --json build/model.json"
    parts = command(commands, "bench", None, "measure speed", example).add_subparsers(title="parts", metavar="PART")
    planned = option("--mask", choices=MASKS, default="blobs", help="kind of the planned masks (default: blobs)")
    factor = option("--width", type=width, default=1.0, help="without weights: factor on the channels (default: 1)")
    classes = option("--classes", type=count, default=21, metavar="K", help="without weights: classes (default: 21)")
    command(
        parts, "ops", run_ops, "IRNet's blocks and layers on regions, against dense x share",
        "lcnb bench ops --level blocks --mask blobs --json build/ops.json",
        [
            option("--level", choices=("blocks", "layers"), nargs="+", default=["blocks", "layers"]),
            option("--only", nargs="+", default=[], metavar="NAME", help="pieces whose names begin so, e.g. B"),
            option(
                "--share", type=probability, nargs="+", default=[1.0, 0.75, 0.5, 0.25, 0.1, 0.05], metavar="S",
                help="fractions of active cells (default: 1 .75 .5 .25 .1 .05)",
            ),
            option("--mask", choices=MASKS, nargs="+", default=list(MASKS), help="kinds of masks (default: all)"),
            option(
                "--path", nargs="+", default=["rows", "gather"], metavar="P",
                help="rows (the fused path) and names of region backends (default: rows gather)",
            ),
            factor, *_common(),
        ],
    )  # fmt: skip
    command(
        parts, "model", run_model, "a cascade against the dense forms of the same network",
        "lcnb bench model --weights streets-small --rho 0.985 --limit 20 --json build/streets.json",
        [
            option("--weights", metavar="NAME", help="trained weights; true masks on the images of a data set"),
            BUILDER, DATASET, SPLIT,
            option("--limit", type=count, default=20, metavar="N", help="its first N images (default: 20)"),
            option("--rho", type=probability, nargs="+", metavar="R", help="threshold (default: the weights' own)"),
            option(
                "--exits", type=exit_fractions, metavar="A,B",
                help="plan the exits: fractions of all cells at each stage but the last (without weights: .23,.29)",
            ),
            planned, factor, classes, HALO,
            option("--path", default="fused", help="fused, or a region backend's name (default: fused)"),
            flag("--compile", "also time torch.compile of the plain dense form; compile stage 1 of the prepared ones"),
            option(
                "--rivals", nargs="+", choices=("none", *RUNTIMES), default=list(RUNTIMES),
                help="other runtimes for the plain dense form, on a CPU in float32 (default: all)",
            ),
            *_common(),
        ],
    )  # fmt: skip
    command(
        parts, "systems", run_systems, "the networks of the talk's table, as ratios to DeepLab-v2",
        "lcnb bench systems --size 512 512 --repeats 5 --json build/systems.json",
        [
            option("--system", nargs="+", metavar="NAME", help="some of them (default: all); DeepLab-v2 is always in"),
            option("--exits", type=exit_fractions, metavar="A,B", help="one more cascade, with these exits"),
            planned, factor, classes, *_common(),
        ],
    )  # fmt: skip
    command(
        parts, "gpu", run_gpu, "on a CUDA card: are the kernels right, and how fast are two networks, in one go",
        "lcnb bench gpu --json gpu.json",
        [o for o in _common(batch=(1, 16)) if o[0][0] not in ("--dtype", "--resident")],
    )  # fmt: skip
    command(
        parts, "training", run_training, "a step of each kind of training: how much regions save",
        "lcnb bench training --weights streets-small --json build/training.json",
        [
            WEIGHTS, BUILDER, DATASET,
            option("--split", default="train", help="split of the data set (default: train)"),
            option("--rho", type=probability, help="threshold (default: the weights' own)"),
            *_common(size=(240, 320), batch=(8,), dtype="bfloat16"),
        ],
    )  # fmt: skip


def _common(size: tuple[int, int] = (512, 512), batch: Sequence[int] = (1,), dtype: str = "float32") -> list[Option]:
    height, width = size
    return [
        option(
            "--size", type=count, nargs=2, default=list(size), metavar=("H", "W"),
            help=f"of the images (default: {height} {width})",
        ),
        option(
            "--batch", type=count, nargs="+", default=list(batch), metavar="B",
            help=f"images at once (default: {' '.join(map(str, batch))})",
        ),
        option("--device", nargs="+", help="default: cpu, and cuda where there is one"),
        option(
            "--dtype", choices=("float32", "bfloat16", "float16"), default=dtype,
            help=f"of weights and features (default: {dtype})",
        ),
        option("--threads", type=threads, help="of the CPU (default: torch's own choice)"),
        option("--tf32", choices=("on", "off"), help="TF32 on CUDA (default: torch's own choice)"),
        flag("--resident", "images are on the device already: their copy is not timed"),
        option("--warmup", type=int, default=WARMUP, help=f"untimed rounds (default: {WARMUP})"),
        option("--repeats", type=count, help="timed rounds (default: 10, and at least one per image)"),
        option("--seed", type=seed, default=0, help="of weights, images and masks (default: 0)"),
        flag("--even-if-busy", "measure on a busy machine, and mark the result"),
        option("--json", type=Path, metavar="FILE", help="write the result here"),
    ]  # fmt: skip


def run_ops(arguments: argparse.Namespace) -> int:
    """Blocks and layers."""
    import torch

    from lcnb.benchmark import ops

    _check_paths(arguments.path, ops.ROWS)

    def measured(device: str, batch: int, protocol: Protocol, live: Live) -> Measured:
        settings = ops.OpsSettings(
            tuple(arguments.size), arguments.width, tuple(arguments.level), tuple(arguments.share),
            tuple(arguments.mask), tuple(arguments.path), batch, _dtype(arguments), arguments.seed,
            tuple(arguments.only),
        )  # fmt: skip
        with blamed_on("--only"), torch.device("meta"):
            ops.pieces(settings)
        found = list(ops.bench_ops(settings, device, protocol, live.show))
        return [result for result, _ in found], [t for _, times in found for t in times]

    chosen = _named(arguments, "level", "only", "share", "mask", "path", "width")
    return _bench(arguments, "ops", chosen, measured, lambda results: table(ops.rows_of_table(results), range(5, 9)))


def run_model(arguments: argparse.Namespace) -> int:
    """One cascade."""
    import torch

    from lcnb.benchmark import model
    from lcnb.benchmark.masks import open_after

    _check_paths([arguments.path], "fused")
    cascade = _load_cascade(arguments)
    _check_exits(arguments.exits, cascade.stage_count)
    images = _load_images(arguments, cascade)
    rho, halo = own_unless(arguments.rho, cascade.rho), own_unless(arguments.halo, cascade.halo)
    arguments.repeats = arguments.repeats or max(REPEATS, len(images or ()))

    def measured(device: str, batch: int, protocol: Protocol, live: Live) -> Measured:
        inputs, still_open = _inputs(arguments, images, batch, device), None
        if images is None:
            still_open = tuple(open_after(arguments.exits, (batch, *grid), arguments.mask, arguments.seed))
        settings = model.ModelSettings(
            rho, still_open, halo, _dtype(arguments), arguments.path, arguments.compile,
            tuple(name for name in arguments.rivals if name != "none"),
        )  # fmt: skip
        if len(inputs) > protocol.repeats:
            raise UsageError(f"--repeats {protocol.repeats} is less than {len(inputs)} batches of images; see --limit")
        with blamed_on("--rho"):
            result, times = model.bench_model(cascade.to(device), inputs, settings, protocol, _rounds(live))
        return [result], times

    chosen = {"path": arguments.path, "halo": halo}
    if images is None:
        chosen |= {"masks": f"planned, {arguments.mask}", "exits": arguments.exits}
        with torch.inference_mode():
            grid = cascade.stages[0](cascade.normalise(torch.zeros(1, 3, *arguments.size))).shape[2:]
    else:
        chosen |= {"masks": "true", "rho": rho, **_named(arguments, "dataset", "split")}
        chosen |= {"images": len(images), "size": "native"}
    chosen |= {"width": cascade.config.get("width"), "classes": cascade.config.get("num_classes")}
    if arguments.weights is not None:
        chosen["weights"] = cascade.meta["name"]
    return _bench(arguments, "model", chosen, measured, lambda results: "\n\n".join(map(_model_text, results)))


def run_systems(arguments: argparse.Namespace) -> int:
    """The table of the talk."""
    from lcnb.benchmark import systems

    _check_exits(arguments.exits, 3)

    def measured(device: str, batch: int, protocol: Protocol, live: Live) -> Measured:
        settings = systems.SystemsSettings(
            tuple(arguments.system or systems.SYSTEMS), tuple(arguments.size), arguments.width, arguments.classes,
            arguments.exits, arguments.mask, batch, _dtype(arguments), arguments.seed,
        )  # fmt: skip
        with blamed_on("--system"):
            settings.all_names()
        return systems.bench_systems(settings, _inputs(arguments, None, batch, device), protocol, _rounds(live))

    def text(results: list[dict[str, Any]]) -> str:
        return table(systems.rows_of_table(results), range(3, 8))

    chosen = _named(arguments, "system", "exits", "mask", "width", "classes")
    return _bench(arguments, "systems", chosen | {"weights": "random: for cost and speed only"}, measured, text)


def run_gpu(arguments: argparse.Namespace) -> int:
    """The kernels, then whole networks, in float32 and 16 bits."""
    import torch

    from lcnb.benchmark import gpu
    from lcnb.regions import backends, unavailable

    arguments.device = arguments.device or ["cuda"]
    backend, dtypes = "triton" if "triton" in backends() else "gather", [torch.float32, torch.bfloat16]
    kernels: dict[str, list[dict[str, Any]]] = {}

    def measured(device: str, batch: int, protocol: Protocol, live: Live) -> Measured:
        if device not in kernels:
            kernels[device] = gpu.check_kernels(device, backend, arguments.seed)
        return gpu.bench_gpu(device, batch, tuple(arguments.size), dtypes, arguments.seed, protocol, _rounds(live))

    def text(results: list[dict[str, Any]]) -> str:
        cases = [(device, case) for device, found in kernels.items() for case in found]
        rows = [
            (device, c["layer"], c["dtype"], f"{max(c['errors']):.1e}", f"{c['allowed']:.0e}", c["right"] or "WRONG")
            for device, c in cases
        ]
        checked = table([("kernels", "layer", "dtype", "error", "allowed", "right"), *rows], (3, 4))
        parts = [f"{r['network']}, {r['dtype']}\n{_model_text(r)}" for r in results]
        return "\n\n".join([checked, *parts, f"Please attach the JSON to an issue of {CHECKOUT}."])

    arguments.dtype, arguments.resident = "float32 and bfloat16", True
    chosen = {"backend": backend, "unavailable": unavailable(), "exits": gpu.EXITS, "kernels": kernels}
    code = _bench(arguments, "gpu", chosen, measured, text)
    return code or int(not all(case["right"] for found in kernels.values() for case in found))


def run_training(arguments: argparse.Namespace) -> int:
    """A step of each kind."""
    import torch

    from lcnb.benchmark import training
    from lcnb.training import TrainConfig
    from lcnb.training.stream import AugmentedStream

    if arguments.dtype == "float16":
        raise UsageError("--dtype float16: training has no loss scaling; take bfloat16 (autocast) or float32")
    cascade = _load_cascade(arguments)
    arguments.dataset = dataset_name(arguments, cascade)
    dataset, rho = lcnb.load_dataset(arguments.dataset, arguments.split), own_unless(arguments.rho, cascade.rho)
    check_classes(cascade, dataset.spec)

    def measured(device: str, batch: int, protocol: Protocol, live: Live) -> Measured:
        rounds = protocol.warmup + protocol.repeats
        config = TrainConfig(
            dataset=arguments.dataset, split=arguments.split, batch=batch, steps=rounds, crop=tuple(arguments.size),
            rho=rho, amp=arguments.dtype == "bfloat16", seed=arguments.seed,
        )  # fmt: skip
        stream = AugmentedStream(dataset, config)
        samples = [[stream[n * batch + k] for k in range(batch)] for n in range(rounds)]
        batches: Any = [tuple(torch.stack(part).to(device) for part in zip(*s, strict=True)) for s in samples]
        ignored = dataset.spec.ignore_index
        result, times = training.bench_training(cascade.to(device), batches, config, ignored, protocol, _rounds(live))
        return [result], times

    def text(results: list[dict[str, Any]]) -> str:
        return "\n\n".join(_training_text(result, training.KINDS) for result in results)

    chosen = _named(arguments, "dataset", "split") | {"weights": cascade.meta["name"], "rho": rho}
    return _bench(arguments, "training", chosen, measured, text)


def _bench(
    arguments: argparse.Namespace,
    kind: str,
    chosen: dict[str, Any],
    measured: Callable[[str, int, Protocol, Live], Measured],
    text: Callable[[list[dict[str, Any]]], str],
) -> int:
    """Watch the machine, measure every device and batch, report."""
    import torch

    from lcnb.benchmark import LoadWatch, Protocol, document, inputs, ops, training
    from lcnb.benchmark.document import stated

    check_writable(arguments.json)
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    if arguments.tf32 is not None:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = arguments.tf32 == "on"
    here = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    devices = [usable_device(name) for name in arguments.device or here]
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
    cuda = any(device.startswith("cuda") for device in devices)
    timed = {"ops": ops.TIMED, "training": training.TIMED}.get(kind) or inputs.timed(cuda, arguments.resident)
    settings = _named(arguments, "size", "batch", "dtype", "seed") | chosen
    result = document(
        kind, settings=settings, protocol=protocol, devices=devices, timed=timed, load=watch.end(times),
        results=results, argv=arguments.argv,
    )  # fmt: skip
    publish(f"{stated(result)}\n\n{text(results)}", result, arguments.json)
    return 0


def _named(arguments: argparse.Namespace, *names: str) -> dict[str, Any]:
    return {name: getattr(arguments, name) for name in names}


def _dtype(arguments: argparse.Namespace) -> Any:
    import torch

    return getattr(torch, arguments.dtype)


def _rounds(live: Live) -> Callable[[int, int], None]:
    return lambda done, total: live.progress("round", done, total)


def _check_paths(given: Sequence[str], own: str) -> None:
    from lcnb.regions import backends

    known = [own, *backends()]
    if unknown := [path for path in given if path not in known]:
        raise UsageError(f"--path: no path is named {unknown[0]!r}; there are {', '.join(known)}")


def _load_cascade(arguments: argparse.Namespace) -> LayerCascade:
    """The weights named, or a random IRNet with planned exits."""
    import torch

    if arguments.weights is not None:
        return loaded(arguments)
    if arguments.builder is not None:
        raise UsageError("--builder needs --weights")
    if arguments.rho is not None or arguments.dataset is not None:
        raise UsageError("--rho and --dataset need --weights: random weights have no true masks; use --exits")
    arguments.exits = arguments.exits or (0.23, 0.29)
    torch.manual_seed(arguments.seed)
    with blamed_on("--width"):
        return lcnb.irnet_lc(arguments.classes, arguments.width).eval()


def _check_exits(exits: Sequence[float] | None, stages: int) -> None:
    if exits is not None and len(exits) != stages - 1:
        raise UsageError(f"--exits: {stages - 1} fractions of all cells are needed for {stages} stages")


def _load_images(arguments: argparse.Namespace, cascade: LayerCascade) -> list[Tensor] | None:
    """The images of the data set, (3, H, W) uint8 each; None where exits are planned."""
    if arguments.exits is not None:
        if arguments.dataset is not None or arguments.rho is not None:
            raise UsageError("--exits plans the masks, so it takes neither --dataset nor --rho")
        return None
    arguments.dataset = dataset_name(arguments, cascade)
    dataset = lcnb.load_dataset(arguments.dataset, arguments.split)
    return [dataset[i][0] for i in range(min(arguments.limit, len(dataset)))]


def _inputs(arguments: argparse.Namespace, images: list[Tensor] | None, batch: int, device: str) -> Inputs:
    """Batches of images, or of noise where exits are planned."""
    from lcnb.benchmark.inputs import Inputs, batched, noise

    if images is None:
        height, width = arguments.size
        return Inputs([noise(batch, height, width, arguments.seed)], device, arguments.resident)
    with blamed_on("--batch"):
        return Inputs(batched(images, batch), device, arguments.resident)


def _model_text(r: dict[str, Any]) -> str:
    height, width = r["size"]
    head = (
        f"{r['device']}, batch {r['batch']}, {height}x{width}, {r['batches']} batch{'es' * (r['batches'] > 1)}; "
        f"exits at stage {stage_numbers(r['exits'])}: {percents(r['exits'])}"
    )
    macs = dict.fromkeys(("cascade", "without our kernels"), r["gmac"]["cascade"])
    macs["all stages"] = r["gmac"]["all stages"]
    runs = [(name, f"{macs.get(name, r['gmac']['one head']):.2f}", *_ms(ms, 2)) for name, ms in r["ms"].items()]
    stages = [(name, *_ms(ms, 2)) for name, ms in r["stages_ms"].items()]
    total = r["parts_ms"]["sum"]
    parts = [
        (name, f"{ms:.3f}", percent(ms / total if total else None))
        for name, ms in r["parts_ms"].items()
        if name != "sum"
    ]
    return "\n\n".join(
        [
            head,
            table([("run", "GMAC per image", "ms p50", "p95"), *runs], range(1, 4)),
            *(f"{name} was not measured: {why}" for name, why in r["failed"].items()),
            _speedups(r["speedup"]),
            table([("by stage", "ms p50", "p95"), *stages], (1, 2)),
            f"{table([('where it goes', 'ms', 'fraction'), *parts], (1, 2))}\n"
            f"operations one by one, in a separate pass: {total:.2f} ms, against {r['ms']['cascade']['p50']:.2f} ms",
        ]
    )


def _ms(times: dict[str, float], digits: int) -> tuple[str, str]:
    return f"{times['p50']:.{digits}f}", f"{times['p95']:.{digits}f}"


def _speedups(s: dict[str, Any]) -> str:
    ours = f"\n{s['of_our_kernels']:.2f} x the cascade without our kernels" if "of_our_kernels" in s else ""
    return (
        f"{s['over_fastest_dense']:.2f} x the speed of the fastest dense form ({s['fastest_dense']}), "
        f"{s['multiply_adds_one_head']:.2f} by multiply-adds\n"
        f"{s['over_plain']:.2f} x the plain one (oneDNN or cuDNN); "
        f"{s['over_all_stages']:.2f} x all stages, {s['multiply_adds_all_stages']:.2f} by multiply-adds{ours}"
    )


def _training_text(r: dict[str, Any], kinds: dict[str, str]) -> str:
    rows = [(kind, *_ms(r["ms"][kind], 1), about) for kind, about in kinds.items()]
    return (
        f"{r['device']}, batches of {r['batch']} crops of {r['crop'][0]}x{r['crop'][1]}; "
        f"reach stage {stage_numbers(r['reached'])}: {percents(r['reached'])}\n\n"
        f"{table([('step', 'ms p50', 'p95', ''), *rows], (1, 2))}\n\n"
        f"step two is {r['cascade_over_deep']:.2f} x as fast as step one, "
        f"and {r['cascade_over_hard']:.2f} x as fast as its losses without regions"
    )
