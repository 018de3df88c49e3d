"""What `lcnb.inspect` and `lcnb.split` make of a dozen published networks; and the page about it.

    python -m tools.networks_page [NAME ...]   # measures: docs/results/networks.json, minutes
    python -m tools.pages networks_page        # writes the page from it

Weights are random: what is asked is whether a network can be cut, whether its later stages are right on regions, and
how long they take, not what they see.

Shape letters: B images, C channels, H, W pixels, h, w cells, S stages.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

import lcnb
from lcnb.benchmark import Opponent, Protocol, measure, stopwatch_for
from lcnb.benchmark.inputs import Inputs, noise
from lcnb.benchmark.masks import open_after
from lcnb.benchmark.model import ModelSettings, bench_model
from lcnb.benchmark.runners import plain, prepared
from lcnb.errors import LcnbError, first_line
from lcnb.machine import machine
from lcnb.models import FusionError, LayerCascade
from lcnb.models.exits import PLANNED_RHO, PlannedExits
from lcnb.paths import write_json
from lcnb.regions import Region, RegionTensor, use_backend
from tools.pages import DOCS, filled, table, where

PAGE, RESULT = DOCS / "networks.md", DOCS / "results" / "networks.json"
SIZE, SMALL = 256, 96
"""Pixels of the image that is timed, and of those that are compared."""
OPEN = 0.3
"""Fraction of the cells that later stages compute where they are timed."""
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Subject:
    """A network to try.

    Attributes:
        build: makes it.
        cuts: the last module of each stage.
        pool: `global_pool` of `lcnb.split`.
    """

    build: Callable[[], nn.Module]
    cuts: tuple[str, ...]
    pool: str = "refuse"


def _torchvision(name: str) -> Callable[[], nn.Module]:
    from torchvision.models import segmentation

    return lambda: getattr(segmentation, name)(weights=None, weights_backbone=None)


def _timm(name: str, **settings: Any) -> Callable[[], nn.Module]:
    import timm

    return lambda: timm.create_model(name, pretrained=False, **settings)


def _smp() -> nn.Module:
    import segmentation_models_pytorch as smp

    return smp.DeepLabV3Plus("resnet50", encoder_weights=None, encoder_output_stride=8).encoder


def _by_hand() -> nn.Module:
    def block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
        conv = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))

    stem = nn.Sequential(block(3, 32, 2), block(32, 64, 2), block(64, 96, 2))
    return nn.Sequential(
        stem, nn.Sequential(*(block(96, 96) for _ in range(4))), nn.Sequential(block(96, 192), block(192, 192))
    )


LAYERS = ("layer2", "layer3", "layer4")
SUBJECTS = {
    "torchvision fcn_resnet50": Subject(_torchvision("fcn_resnet50"), tuple(f"backbone.{n}" for n in LAYERS)),
    "torchvision deeplabv3_resnet101": Subject(
        _torchvision("deeplabv3_resnet101"), ("backbone.layer3.10", "backbone.layer3", "backbone.layer4")
    ),
    "torchvision deeplabv3_mobilenet_v3_large": Subject(
        _torchvision("deeplabv3_mobilenet_v3_large"), ("backbone.13", "backbone.14", "backbone.16"), "active"
    ),
    "torchvision lraspp_mobilenet_v3_large": Subject(
        _torchvision("lraspp_mobilenet_v3_large"), ("backbone.13", "backbone.14", "backbone.16"), "active"
    ),
    "timm resnet50, stride 8": Subject(_timm("resnet50", output_stride=8), LAYERS),
    "timm tf_efficientnet_lite0, stride 8": Subject(
        _timm("tf_efficientnet_lite0", output_stride=8), ("blocks.4.0", "blocks.5.2", "blocks.6")
    ),
    "timm convnext_tiny, without its last stage": Subject(
        _timm("convnext_tiny"), ("stages.2.blocks.2", "stages.2.blocks.5", "stages.2.blocks.8")
    ),
    "timm res2net50_26w_4s, stride 8": Subject(_timm("res2net50_26w_4s", output_stride=8), LAYERS),
    "timm seresnet50, stride 8": Subject(_timm("seresnet50", output_stride=8), LAYERS, "active"),
    "timm hrnet_w18": Subject(_timm("hrnet_w18", features_only=True), ("layer1", "stage2", "stage3")),
    "smp DeepLabV3Plus (resnet50), its encoder": Subject(_smp, LAYERS),
    "a hand-written one": Subject(_by_hand, ("0", "1", "2")),
}
KEPT = ("torch", "torchvision", "timm", "segmentation-models-pytorch")


def tried(subject: Subject) -> dict[str, Any]:
    """What becomes of one network."""
    torch.manual_seed(0)
    try:
        model = subject.build().eval()
    except ImportError as error:
        return {"missing": str(error)}
    found: dict[str, Any] = {"cuts": subject.cuts, "pool": subject.pool}
    x = torch.rand(2, 3, SMALL, SMALL)
    try:
        report = lcnb.inspect(model, x)
        found["inspect"] = {"ends": report.ends, "speedup": round(report.speedup, 3), "obstacle": report.obstacle}
    except (LcnbError, RuntimeError) as error:
        found["inspect"] = {"failed": first_line(error)}
    try:
        cascade = lcnb.split(model, subject.cuts, num_classes=21, global_pool=subject.pool).eval()
    except LcnbError as error:
        return found | {"refused": first_line(error)}
    with torch.no_grad():
        dense = cascade.all_stages(x)[-1]
        found["rho 1"] = _apart([cascade(x, 1.0).logits], [dense])
    mask = open_after((1 - OPEN,), (2, *dense.shape[2:]))[0]
    ours, reference = (_through(cascade, x, mask, backend) for backend in ("gather", "reference"))
    found["forward"], found["backward"] = _apart(ours[:1], reference[:1]), _apart(ours[1:], reference[1:])
    return found | _timed(cascade)


def _apart(found: list[Tensor], wanted: list[Tensor]) -> float:
    """The largest difference over the largest magnitude of all."""
    scale = max(float(b.abs().max()) for b in wanted)
    return max(float((a - b).abs().max()) for a, b in zip(found, wanted, strict=True)) / scale


def _through(cascade: LayerCascade, x: Tensor, mask: Tensor, backend: str) -> list[Tensor]:
    """The last stage's logits on a region, and the gradients of all parameters of the later stages."""
    cascade.zero_grad()
    region = Region(mask)
    region.pools = cascade.global_pool == "active"
    with use_backend(backend):
        rows = RegionTensor.from_dense(cascade.stages[0](cascade.normalise(x)), region)
        for stage in cascade.stages[1:]:
            rows = stage(rows)
        logits = cascade.heads[-1](rows).to_dense()
    logits.square().mean().backward()
    later = [p.grad.clone() for stage in cascade.stages[1:] for p in stage.parameters() if p.grad is not None]
    return [logits.detach(), *later]


def _timed(cascade: LayerCascade) -> dict[str, Any]:
    """Speed with `OPEN` of the cells behind the first exit, prepared if it can be."""
    image = noise(1, SIZE, SIZE)
    with torch.no_grad():
        grid = (1, *cascade.all_stages(image)[0].shape[2:])
    masks = tuple(open_after((1 - OPEN, *[0] * (cascade.stage_count - 2)), grid))
    try:
        cascade.for_inference()
    except FusionError as error:
        return _as_written(cascade, image, masks) | {"as_written": first_line(error)}
    result, _ = bench_model(cascade, Inputs([image], "cpu"), ModelSettings(still_open=masks), Protocol(1, 5))
    return {
        "ms": {name: ms["p50"] for name, ms in result["ms"].items()},
        "speed": result["speedup"],
        "as_written": None,
    }


def _as_written(cascade: LayerCascade, image: Tensor, masks: tuple[Tensor, ...]) -> dict[str, Any]:
    """The same of a network that has no prepared form: its modules, norms folded, against the plain network."""
    run, dense = prepared(cascade, torch.float32, "cpu", "gather"), plain(cascade, torch.float32, "cpu")

    def planned(_: int) -> Any:
        return run(image, PLANNED_RHO, criterion=PlannedExits(masks))

    opponents = [Opponent("cascade", planned), Opponent("plain", lambda _: dense(image))]
    ms = {name: t.as_ms()["p50"] for name, t in measure(opponents, Protocol(1, 5), stopwatch_for("cpu")).items()}
    cost = lcnb.cascade_cost(cascade, SIZE, SIZE)
    with torch.inference_mode():
        counted = cost.single_head / float(cost.of(planned(0).work).sum())
    ratio = ms["plain"] / ms["cascade"]
    return {"ms": ms, "speed": {"over_plain": ratio, "over_fastest_dense": ratio, "multiply_adds_one_head": counted}}


def pages() -> dict[Any, str]:
    """The page, with what was found."""
    found = json.loads(RESULT.read_text(encoding="utf-8"))
    rows, refused = [], []
    for name, one in found["networks"].items():
        if "refused" in one or "missing" in one:
            refused.append((name, one.get("refused") or f"not tried: {one['missing']}"))
            continue
        speed, suggested = one["speed"], one["inspect"]
        rows.append(
            (
                name, ", ".join(f"`{cut}`" for cut in one["cuts"]), _suggestion(suggested),
                *(f"{one[key]:.0e}" for key in ("rho 1", "forward", "backward")),
                f"{speed['over_plain']:.2f}", f"{speed['over_fastest_dense']:.2f}",
                f"{speed['multiply_adds_one_head']:.2f}", _remark(one),
            )
        )  # fmt: skip
    head = (
        "network", "cut behind", "`inspect` suggests", "rho = 1", "forward", "backward", "x plain", "x fastest dense",
        "by multiply-adds", "",
    )  # fmt: skip
    return {
        PAGE: filled(
            PAGE, machine=f"{where(found['machine'])}; {', '.join(f'{k} {v}' for k, v in found['versions'].items())}",
            networks=table(head, rows, 3), refused=table(("network", "what is said"), refused, 2),
        )
    }  # fmt: skip


def _suggestion(found: Mapping[str, Any]) -> str:
    """What `inspect` suggests, in a cell of the table."""
    if "failed" in found or not found["ends"]:
        return found.get("failed") or found["obstacle"]
    return f"{', '.join(f'`{end}`' for end in found['ends'])}: {found['speedup']:.2f}"


def _remark(one: Mapping[str, Any]) -> str:
    words = ['`global_pool="active"`'] * (one["pool"] == "active")
    if one["as_written"]:
        words.append(f"not prepared: {one['as_written']}")
    return "; ".join(words)


def main() -> None:
    """Measure, and keep; those named, or all."""
    kept = json.loads(RESULT.read_text(encoding="utf-8"))["networks"] if RESULT.is_file() else {}
    for name in sys.argv[1:] or SUBJECTS:
        kept[name] = tried(SUBJECTS[name])
        print(name, kept[name], flush=True)
        networks = {name: kept[name] for name in SUBJECTS if name in kept}
        head = {"command": "python -m tools.networks_page", "machine": machine()}
        write_json(RESULT, head | {"versions": _versions(), "networks": networks})


def _versions() -> dict[str, str]:
    return {name: version(name).split("+")[0] for name in KEPT if find_spec(name.replace("-", "_"))}


if __name__ == "__main__":
    main()
