"""`lcnb bench model`: a whole cascade against the dense forms of the same network.

Shape letters: B images, S stages.

Opponents, in turns on the same images: the cascade at its exits; plain one-head IRNet (batch-norm folded,
channels-last, eager: oneDNN's or cuDNN's own convolutions), perhaps compiled; the same network in ONNX Runtime and
OpenVINO; the prepared cascade at rho = 1, where no cell exits; and all stages with their heads. Where the plain form is
compiled, so is stage 1 of the prepared ones.
Where there are kernels of ours for the CPU, the cascade takes part once more without them.
The speed-up is over the fastest dense form; the one over the plain form stands apart. Time by stage (paper,
figure 7b) and by kind of work come from rounds of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from lcnb.benchmark.inputs import Inputs
from lcnb.benchmark.profile import time_parts
from lcnb.benchmark.protocol import Opponent, Protocol, Times, measure
from lcnb.benchmark.runners import RIVALS, Labeller, OneHead, compiled, labels_of, plain, prepared, rivals
from lcnb.clock import stopwatch_for
from lcnb.errors import LcnbError, first_line
from lcnb.evaluation.evaluate import stage_times
from lcnb.models import Criterion, LayerCascade, cascade_cost, max_softmax
from lcnb.models.compiling import CompileError
from lcnb.models.exits import PLANNED_RHO, PlannedExits
from lcnb.models.folding import folded
from lcnb.paths import extra
from lcnb.regions.native import kernels

CASCADE, PLAIN, COMPILED, RHO_ONE, ALL = "cascade", "plain", "compiled", "rho = 1", "all stages"
STAGE_ONE, TORCHS = "compiled stage 1", "without our kernels"
DENSE_ONE_HEAD = (PLAIN, COMPILED, RHO_ONE, *RIVALS)
AGREE = 0.999
"""Fraction of the pixels in which a rival must give the plain form's labels."""


@dataclass(frozen=True)
class ModelSettings:
    """How the cascade is run.

    Attributes:
        rho: threshold of a true run; ignored where exits are planned.
        still_open: for planned exits, the (B, h, w) bool masks of the cells open behind each; None for true masks.
        halo: cells by which regions are grown.
        dtype: of weights and features.
        path: "fused", or the name of a region backend.
        compile: also time `torch.compile` of the plain form, and compile stage 1 of the prepared cascade.
        rivals: names of other runtimes that run the plain form too, on a CPU in float32.
    """

    rho: float | Sequence[float] = 0.985
    still_open: tuple[Tensor, ...] | None = None
    halo: int = 0
    dtype: torch.dtype = torch.float32
    path: str = "fused"
    compile: bool = False
    rivals: tuple[str, ...] = ()


@dataclass
class _Runs:
    """The cascade's runs at these settings; planned masks lie on the device."""

    cascade: Any
    inputs: Inputs
    settings: ModelSettings
    masks: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        planned = self.settings.still_open
        self.masks = [] if planned is None else [m.to(self.inputs.device) for m in planned]

    @property
    def rho(self) -> float | Sequence[float]:
        return PLANNED_RHO if self.masks else self.settings.rho

    def criterion(self) -> Criterion:
        """Of one run."""
        return PlannedExits(self.masks) if self.masks else max_softmax

    def once(self, turn: int) -> Any:
        """A true run on the round's images."""
        x, criterion = self.inputs[turn], self.criterion()
        return self.cascade(x, self.rho, criterion=criterion, halo=self.settings.halo)

    def stages(self, turn: int) -> list[float]:
        """Seconds of each of the S stages and of the labels."""
        x, criterion = self.inputs[turn], self.criterion()
        _, ms = stage_times(self.cascade, x, self.rho, halo=self.settings.halo, criterion=criterion)
        return (ms / 1e3).tolist()


def bench_model(
    cascade: LayerCascade,
    inputs: Inputs,
    settings: ModelSettings,
    protocol: Protocol,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, Any], list[Times]]:
    """Measure one cascade on one device.

    Args:
        cascade: in eval mode, on the inputs' device.
        inputs: the images; round n takes batch n.
        settings: how.
        protocol: rounds; see that there are as many as there are batches.
        progress: called with rounds done and rounds in all.

    Returns:
        The result as JSON takes it, and all times.
    """
    device = str(inputs.device)
    watch, failed = stopwatch_for(device), dict[str, str]()
    eager = _Runs(prepared(cascade, settings.dtype, device, settings.path), inputs, settings)
    runs = _compiled_runs(cascade, eager, failed) if settings.compile else eager
    times = measure(_opponents(cascade, runs, failed), protocol, watch, progress)
    with torch.inference_mode():
        outputs = [runs.once(turn) for turn in range(len(inputs))]
        by_stage = _by_stage(runs, protocol)
        parts = time_parts(eager.cascade, eager.once, watch)  # what is compiled has no operations to look at
    height, width = outputs[0].labels.shape[1:]
    gmac = _gmacs(cascade, outputs)
    result = {
        "device": device,
        "batch": int(outputs[0].labels.shape[0]),
        "size": [int(height), int(width)],
        "batches": len(inputs),
        "exits": _mean([o.exits for o in outputs]),
        "work": _mean([o.work for o in outputs]),
        "gmac": gmac,
        "ms": {name: t.as_ms() for name, t in times.items()},
        "stages_ms": by_stage,
        "parts_ms": {**parts, "sum": round(sum(parts.values()), 4)},
        "speedup": _speedup(times, gmac),
        "failed": failed,
    }
    return result, list(times.values())


def _compiled_runs(cascade: LayerCascade, eager: _Runs, failed: dict[str, str]) -> _Runs:
    """Runs of the cascade with stage 1 compiled; where that cannot be, it is noted in `failed`, and they are eager."""
    settings = eager.settings
    network = prepared(cascade, settings.dtype, str(eager.inputs.device), settings.path, compile=True)
    try:
        _tried(lambda x: network(x, 1.0), eager.inputs)
    except CompileError as error:
        failed[STAGE_ONE] = str(error)
        return eager
    return replace(eager, cascade=network)


def _opponents(cascade: LayerCascade, runs: _Runs, failed: dict[str, str]) -> list[Opponent]:
    """All that take part; those that cannot are noted in `failed`, with the reason."""
    inputs, settings, device = runs.inputs, runs.settings, str(runs.inputs.device)
    others: list[Opponent] = []
    fused = runs.cascade if settings.path == "fused" else prepared(cascade, settings.dtype, device)
    forms: dict[str, Callable[[Tensor], Any]] = {PLAIN: plain(cascade, settings.dtype, device)}
    if settings.compile:
        try:
            forms[COMPILED] = _tried(compiled(cascade, settings.dtype, device), inputs)
        except (RuntimeError, ImportError, OSError) as error:  # no compiler, or one that cannot do it
            failed[COMPILED] = f"{type(error).__name__}: {first_line(error)}"
    cpu_float32 = device == "cpu" and settings.dtype == torch.float32
    if cpu_float32 and settings.path == "fused" and not settings.compile and kernels() is not None:
        without = replace(runs, cascade=cascade.for_inference(settings.dtype, compile=False, native=False))
        others = [Opponent(TORCHS, without.once, steady=len(inputs) == 1)]
    if cpu_float32:
        forms |= _rivals(cascade, settings.rivals, forms[PLAIN], inputs, failed)
    forms[RHO_ONE] = lambda x: fused(x, 1.0).labels
    forms[ALL] = labels_of(lambda x: fused.all_stages(x)[-1])
    dense = [Opponent(name, inputs.fed(form), steady=inputs.one_size) for name, form in forms.items()]
    # With true masks, images differ in their work.
    return [Opponent(CASCADE, runs.once, steady=len(inputs) == 1), *others, *dense]


def _rivals(
    cascade: LayerCascade, names: Iterable[str], plain_form: Labeller, inputs: Inputs, failed: dict[str, str]
) -> dict[str, Labeller]:
    """Other runtimes, once they are prepared for every image and give the plain form's labels."""
    found = dict[str, Labeller]()
    for name, network in rivals(names, folded(OneHead(cascade))).items():
        form = labels_of(network)
        try:
            with torch.inference_mode():
                same = min(form(x).eq(plain_form(x)).float().mean().item() for x in inputs.batches)
        except ImportError:
            failed[name] = f"it is not installed: {extra('bench')}"
            continue
        except (LcnbError, RuntimeError) as error:  # what torch cannot write as ONNX, say
            failed[name] = first_line(error)
            continue
        if same < AGREE:
            failed[name] = f"its labels agree with the plain form's in {same:.4f} of the pixels only"
        else:
            found[name] = form
    return found


@torch.inference_mode()
def _tried(form: Callable[[Tensor], Any], inputs: Inputs) -> Callable[[Tensor], Any]:
    """The form, once it has run: it compiles here."""
    form(inputs[0])
    return form


def _by_stage(runs: _Runs, protocol: Protocol) -> dict[str, Any]:
    """Medians of each stage over rounds of their own: the marks stand between stages, not inside them."""
    taken = [runs.stages(turn) for turn in range(protocol.warmup + protocol.repeats)][protocol.warmup :]
    names = [*(f"stage {s + 1}" for s in range(runs.cascade.stage_count)), "labels"]
    return {name: Times(column).as_ms() for name, column in zip(names, zip(*taken, strict=True), strict=True)}


def _mean(shares: Sequence[Tensor]) -> list[float]:
    """Over images: (B, S) each -> S numbers."""
    return [round(float(v), 6) for v in torch.cat([s.cpu().double() for s in shares]).mean(0)]


def _gmacs(cascade: LayerCascade, outputs: Sequence[Any]) -> dict[str, float]:
    """Of an image: the cascade's by the cells each stage computed, and the dense forms'."""
    spent, one, every, images = 0.0, 0.0, 0.0, 0
    for output in outputs:
        cost = cascade_cost(cascade, *output.labels.shape[1:])
        batch = output.labels.shape[0]
        spent += float(cost.of(output.work).sum())
        one, every, images = one + batch * cost.single_head, every + batch * cost.dense, images + batch
    return {name: round(v / images / 1e9, 6) for name, v in (("cascade", spent), ("one head", one), (ALL, every))}


def _speedup(times: dict[str, Times], gmac: dict[str, float]) -> dict[str, Any]:
    """Ratios of medians, and of multiply-adds beside them."""
    medians = {name: t.p50 for name, t in times.items()}
    own = medians[CASCADE]
    rivals = {name: m for name, m in medians.items() if name in DENSE_ONE_HEAD}
    fastest = min(rivals, key=lambda name: rivals[name])
    ours = {"of_our_kernels": round(medians[TORCHS] / own, 4)} if TORCHS in medians else {}
    return {
        **ours,
        "fastest_dense": fastest,
        "over_fastest_dense": round(rivals[fastest] / own, 4),
        "over_plain": round(medians[PLAIN] / own, 4),
        "over_all_stages": round(medians[ALL] / own, 4),
        "multiply_adds_one_head": round(gmac["one head"] / gmac["cascade"], 4),
        "multiply_adds_all_stages": round(gmac[ALL] / gmac["cascade"], 4),
    }
