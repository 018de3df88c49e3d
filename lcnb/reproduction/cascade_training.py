"""Does cascade training help? Paired branches from one network, scored at equal multiply-adds.

Shape letters: N images, R thresholds, K classes, S stages, H, W pixels.

`docs/cascade-training.md` has the question, the arms and the rules, written before the first run. For each seed a trunk
is trained with deep supervision; every branch goes on from its end with the same crops, a new optimiser, the same rate
and the same frozen norms, and differs in what its losses are computed on alone. Every branch is scored in true runs at
a fixed list of thresholds, image by image; all that is said is a reduction of these counts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lcnb.benchmark.load import LoadWatch
from lcnb.benchmark.protocol import Opponent, Protocol, measure, stopwatch_for
from lcnb.benchmark.runners import OneHead, plain, prepared
from lcnb.datasets import SegmentationDataset, load_dataset
from lcnb.evaluation.bootstrap import miou
from lcnb.evaluation.by_image import counts_of, measured
from lcnb.evaluation.evaluate import Costs, as_batch
from lcnb.evaluation.sweep import shared
from lcnb.models import LayerCascade, to_labels
from lcnb.models.folding import folded
from lcnb.models.networks import NETWORKS
from lcnb.reproduction.readings import PARTS, PRIMARY, Curve, difference, sentences
from lcnb.reproduction.request import SEEDS, Request
from lcnb.reproduction.store import Store, digest, in_parts
from lcnb.training import TrainConfig, Trainer
from lcnb.training.checkpoint import CHECKPOINT
from lcnb.training.network import new_network

RHOS = (0.8, 0.95, 0.985, 0.997, 0.9997, 1.0)
"""Thresholds of the true runs; those near 1 so that 70 % of the dense multiply-adds lies between two of them."""
FINE_RHOS = (0.5, 0.7, 0.8, 0.9, 0.95)
"""Those at stride 8: there a run as cheap as the dense network at stride 16 has to exit early."""
FINE = 8
"""The stride at which the same weights are the expensive end."""
HALOS = (0, 1)
BUDGETS = (0.5, 0.7)
"""Fractions of the dense network's multiply-adds, and of its time."""
SCALES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Factors on the input's sides: the dense opponents."""
TIMED = 60
"""Images that are timed, the first of the split."""
WATCHED = 20
"""Images that a run scores at its end for its log; nothing is decided by them."""


@dataclass(frozen=True)
class Branch:
    """A way to go on from the trunk: an arm of `lcnb.training.ARMS`, its halo in training, and those in scoring."""

    name: str
    arm: str
    halo: int
    title: str
    scored: tuple[int, ...] = HALOS


BRANCHES = (
    Branch("deep", "dsn", 0, "deep supervision goes on"),
    Branch("hard", "hard", 0, "each stage's loss on the cells that reach it, dense features"),
    *(Branch(f"cascade-{h}", "lc", h, f"the cascade: the same cells, region features, halo {h}", (h,)) for h in HALOS),
    *(
        Branch(f"shuffled-{h}", "shuffled", h, f"regions of equal size from another image, halo {h}", (h,))
        for h in HALOS
    ),
)


def cascade_training(request: Request, say: Callable[[str], None]) -> dict[str, Any]:
    """Train, score and time what is not there yet, seed after seed, and compare.

    Args:
        request: of the table "cascade-training".
        say: called with each line of progress.

    Returns:
        seeds, each with branches (mIoU, cost, counts by threshold and halo), opponents, ms and comparisons; verdicts;
        settings; images; block; wanted, the seeds that the rules ask for.

    Raises:
        DataError, TrainingError, WeightsError: data or the ImageNet weights are missing, or a run of other settings is
            in the way.
    """
    val = load_dataset(request.config.dataset, request.config.val_split, classes=request.config.classes)
    count = min(len(val), request.limit or len(val))
    seeds = [_Seed(request, seed, val, count, say).found() for seed in request.seeds]
    shown = {k: v for k, v in request.config.shown().items() if k not in ("arm", "halo", "seed")}
    return {
        "images": count,
        "block": request.block(count),
        "wanted": list(SEEDS),
        "verdicts": sentences(seeds, len(SEEDS)),
        "seeds": seeds,
        "settings": {**shown, "halos": list(HALOS), "scales": list(SCALES)}
        | {"rhos": list(RHOS), "fine_rhos": list(FINE_RHOS)},
    }


def runs_of(config: TrainConfig) -> list[TrainConfig]:
    """The settings of a seed's runs: the trunk, then every branch."""
    trunk = dataclasses.replace(config, arm="dsn", halo=0, cascade_steps=0)
    branches = [dataclasses.replace(config, arm=branch.arm, halo=branch.halo) for branch in BRANCHES]
    return [trunk, *branches]


def forward_passes() -> int:
    """How many times an image is run while a seed is scored and timed, by a generous count: as if nothing exited."""
    scored = sum(len(branch.scored) * len(RHOS) + 1 for branch in BRANCHES)
    fine = 4 * (len(HALOS) * (len(FINE_RHOS) + 1) + 1)  # four times as many cells; deep supervision dense alone
    return scored + fine + len(SCALES) + len(HALOS) * len(RHOS)


class _Seed:
    """One seed: its runs and what is measured of them, each kept in a folder of its own."""

    def __init__(
        self, request: Request, seed: int, val: SegmentationDataset, count: int, say: Callable[[str], None]
    ) -> None:
        self.request, self.val, self.count, self.seed = request, val, count, seed
        self.config = dataclasses.replace(request.config, seed=seed, val_images=min(WATCHED, count))
        self.folder = request.work / request.preset / request.table / f"seed-{seed}"
        self.say = lambda line: say(f"seed {seed}: {line}")
        self.classes, self.ignored = len(val.spec.classes), val.spec.ignore_index

    def found(self) -> dict[str, Any]:
        """All numbers of this seed."""
        networks = self.trained()
        parts = {b.name: self.scored(b.name, networks[b.name], RHOS, b.scored) for b in BRANCHES}
        at_halo: dict[str, tuple[int, ...]] = {"deep": (), **{f"cascade-{h}": (h,) for h in HALOS}}
        fine = {name: self.fine(networks[name]) for name in at_halo}
        at_fine = {
            name: self.scored(f"{name}-stride-{FINE}", network, FINE_RHOS, at_halo[name])
            for name, network in fine.items()
            if network is not None
        }
        small = self.reduced(networks["deep"])
        seconds, load = self.timed(networks, fine["deep"])
        ms = {name: float(times.quantile(0.5)) * 1e3 for name, times in seconds.items()}
        dense = float(parts["deep"]["dense_macs"][:, -1].sum())
        costs = _Costs(dense, ms)
        return {
            "seed": self.seed,
            "dense_gmacs": round(dense / self.count / 1e9, 6),
            "branches": {
                branch.name: {"title": branch.title, **costs.rows(parts[branch.name], RHOS)} for branch in BRANCHES
            },
            "opponents": {
                "reduced": costs.reduced_rows(small),
                **({f"stride {FINE}": {n: costs.rows(p, FINE_RHOS) for n, p in at_fine.items()}} if at_fine else {}),
            },
            "ms": {name: round(value, 4) for name, value in ms.items()},
            "timed_images": min(TIMED, self.count),
            "load": load,
            "comparisons": compared(parts, at_fine, small, costs, self.request.block(self.count)),
        }

    def trained(self) -> dict[str, LayerCascade]:
        """The averaged network of every branch, trained to its end here or before."""
        trunk, *branches = runs_of(self.config)
        start = self.folder / "trunk"
        self._run("trunk", trunk, None)
        return {b.name: self._run(b.name, config, start) for b, config in zip(BRANCHES, branches, strict=True)}

    def _run(self, name: str, config: TrainConfig, begin: Path | None) -> LayerCascade:
        folder = self.folder / name
        self.say(f"run {name} ({config.arm}, halo {config.halo}) in {folder}")
        resume = (folder / CHECKPOINT).exists()
        return Trainer(config, folder, resume=resume, device=self.request.device, say=self.say, begin=begin).run()

    def fine(self, network: LayerCascade) -> LayerCascade | None:
        """The same weights at stride 8; None where the network has no other stride, or has this one."""
        if not NETWORKS[self.config.network].has("stride") or self.config.stride == FINE:
            return None
        found = new_network(dataclasses.replace(self.config, stride=FINE, init=None), self.classes)
        found.load_state_dict(network.state_dict())
        return found.eval().to(self.request.device)

    def scored(
        self, name: str, network: LayerCascade, rhos: Sequence[float], halos: Sequence[int]
    ) -> dict[str, Tensor]:
        """(N, ...) by name: for each halo h of `halos` true_h (R, K, K), true_cells_h (R, S) and true_macs_h (R,), as
        `by_image.measured` has them; dense (S, K, K), every stage on every cell, and dense_macs (S,), of the stages up
        to each and its classifier."""
        costs, (first, later) = Costs(network), shared(network)

        @torch.inference_mode()
        def one(i: int) -> dict[str, Tensor]:
            image, target = self.val[i]
            x = as_batch(image, network.mean.device)
            first.renew(network.normalise(x))
            found: dict[str, Tensor] = {}
            for halo in halos:
                runs = measured(
                    later, costs, image, target, rhos, self.classes, self.ignored, halo=halo, cached=False
                )  # fmt: skip
                found |= {f"{key}_{halo}": value for key, value in runs.items() if key != "ms"}
            labels = [to_labels(maps, x.shape[2:])[0] for maps in later.all_stages(x)]
            cost = costs.at(x.shape[2], x.shape[3])
            upto = [sum(cost.stages[: s + 1]) + head for s, head in enumerate(cost.heads)]
            found["dense"] = torch.stack([self._counts(of_stage, target) for of_stage in labels])
            found["dense_macs"] = torch.tensor(upto, dtype=torch.float64)
            return found

        if halos:
            self.say(f"{name}: true runs at {len(rhos)} thresholds, halo {' and '.join(map(str, halos))}")
        return in_parts(self._store(name, network, rhos=rhos, halos=halos), self.count, one, self.say)

    def reduced(self, network: LayerCascade) -> dict[str, Tensor]:
        """(N, scales, K, K) counts and (N, scales) macs of the last stage, dense, on smaller images."""
        costs, head = Costs(network), OneHead(network)

        @torch.inference_mode()
        def one(i: int) -> dict[str, Tensor]:
            image, target = self.val[i]
            x = as_batch(image, network.mean.device)
            counts, macs = [], []
            for scale in SCALES:
                small = resized(x, scale)
                counts.append(self._counts(to_labels(head(small), x.shape[2:])[0], target))
                macs.append(float(costs.at(small.shape[2], small.shape[3]).single_head))
            return {"counts": torch.stack(counts), "macs": torch.tensor(macs, dtype=torch.float64)}

        self.say(f"deep on images reduced to {', '.join(f'{s:g}' for s in SCALES)}")
        return in_parts(self._store("deep-reduced", network, scales=SCALES), self.count, one, self.say)

    def timed(
        self, networks: dict[str, LayerCascade], fine: LayerCascade | None
    ) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Seconds of each opponent on each timed image: in turns, float32, norms folded; and the machine's load."""
        count = min(TIMED, self.count)
        store = self._store("times", networks["deep"], cascades=[digest(networks[c].state_dict()) for c in _cascades()])
        if (kept := store.get("times", images=count)) is not None:
            return kept[1], kept[0]
        device = torch.device(self.request.device)
        forms = _forms(networks, fine, str(device))
        images = [as_batch(self.val[i][0], device) for i in range(count)]
        protocol = Protocol(warmup=2, repeats=count)

        def opponent(name: str, form: Callable[[Tensor], Any]) -> Opponent:
            return Opponent(name, lambda turn: form(images[(turn - protocol.warmup) % count]), steady=False)

        self.say(f"timing {len(forms)} opponents in turns on {count} images")
        watch = LoadWatch(even_if_busy=True)
        times = measure([opponent(*pair) for pair in forms.items()], protocol, stopwatch_for(device))
        load = watch.end(times.values()).as_dict()
        seconds = {name: torch.tensor(t.seconds, dtype=torch.float64) for name, t in times.items()}
        store.put("times", load, seconds, images=count)
        return seconds, load

    def _counts(self, labels: Tensor, target: Tensor) -> Tensor:
        return counts_of(labels, target.to(labels.device), self.classes, self.ignored)

    def _store(self, name: str, network: LayerCascade, **about: Any) -> Store:
        of = {"dataset": self.config.dataset, "split": self.val.split, "classes": self.config.classes}
        about = {"network": digest(network.state_dict()), **of, "device": self.request.device, **about}
        return Store(self.folder / "scores" / name, about)


def _cascades() -> list[str]:
    return [branch.name for branch in BRANCHES if branch.arm == "lc"]


def resized(x: Tensor, scale: float) -> Tensor:
    """(B, 3, H, W) -> (B, 3, scale H, scale W), bilinear, antialiased; itself at scale 1."""
    if scale == 1:
        return x
    size = [max(1, round(side * scale)) for side in x.shape[2:]]
    return F.interpolate(x, size, mode="bilinear", align_corners=False, antialias=True)


def _forms(
    networks: dict[str, LayerCascade], fine: LayerCascade | None, device: str
) -> dict[str, Callable[[Tensor], Any]]:
    """All that is timed, from an image to its labels, by name."""
    deep = networks["deep"]
    whole = plain(deep, torch.float32, device)

    def small(scale: float) -> Callable[[Tensor], Any]:
        return lambda x: to_labels(whole_logits(resized(x, scale)), x.shape[2:])

    def true(runs: Any, rho: float, halo: int) -> Callable[[Tensor], Any]:
        return lambda x: runs(x, rho, halo=halo).labels

    whole_logits = folded(OneHead(deep)).to(device)
    forms: dict[str, Callable[[Tensor], Any]] = {"dense": whole}
    forms |= {f"scale {scale:g}": small(scale) for scale in SCALES}
    mean, std = deep.mean.flatten().tolist(), deep.std.flatten().tolist()
    for s in range(1, deep.stage_count):
        cut = LayerCascade(list(deep.stages[:s]), list(deep.heads[:s]), mean=mean, std=std).to(device)
        forms[f"stop {s}"] = plain(cut, torch.float32, device)
    if fine is not None:
        forms[f"stride {FINE}"] = plain(fine, torch.float32, device)
    for branch in BRANCHES:
        if branch.arm == "lc":
            runs = prepared(networks[branch.name], torch.float32, device, "gather")
            forms |= {f"{branch.name} rho {rho:g}": true(runs, rho, branch.halo) for rho in RHOS}
    return forms


@dataclass(frozen=True)
class _Costs:
    """What a run costs, as a fraction of the plain network: all stages and the last classifier, on every cell.

    Attributes:
        dense: multiply-adds of the plain network on all images.
        ms: median milliseconds of what was timed, by name.
    """

    dense: float
    ms: dict[str, float]

    def of(self, macs: Tensor) -> list[float]:
        """(N, R) multiply-adds -> R fractions."""
        return [float(v) / self.dense for v in macs.sum(0)]

    def of_time(self, names: Sequence[str]) -> list[float]:
        """The same of times."""
        return [self.ms[name] / self.ms["dense"] for name in names]

    def true(self, part: dict[str, Tensor], halo: int) -> Curve:
        """The true runs of a network."""
        return Curve(self.of(part[f"true_macs_{halo}"]), part[f"true_{halo}"])

    def rows(self, part: dict[str, Tensor], rhos: Sequence[float]) -> dict[str, Any]:
        """A network's mIoUs, costs and counts as JSON takes them: of each stage alone, and of its true runs by halo."""
        dense = zip(self.of(part["dense_macs"]), part["dense"].sum(0), strict=True)
        found: dict[str, Any] = {
            "dense": [{"stage": s + 1, **_row(c, n)} for s, (c, n) in enumerate(dense)],
            "true": {},
        }
        for halo in (h for h in HALOS if f"true_{h}" in part):
            curve, cells = self.true(part, halo), part[f"true_cells_{halo}"].sum(0).double()
            found["true"][str(halo)] = [
                {"rho": rho, "exits": [round(v, 6) for v in (left / left.sum()).tolist()], **_row(cost, counts)}
                for rho, left, cost, counts in zip(rhos, cells, curve.costs, curve.counts.sum(0), strict=True)
            ]
        return found

    def reduced_rows(self, small: dict[str, Tensor]) -> list[dict[str, Any]]:
        """The same of the plain network on reduced images."""
        of = zip(SCALES, self.of(small["macs"]), small["counts"].sum(0), strict=True)
        return [{"scale": scale, **_row(cost, counts)} for scale, cost, counts in of]


def _row(cost: float, counts: Tensor) -> dict[str, Any]:
    """counts: (K, K) of all images, one row of it a string."""
    lines = [" ".join(map(str, line)) for line in counts.tolist()]
    return {"cost": round(cost, 6), "miou": round(float(miou(counts)), 6), "counts": lines}


def compared(
    parts: dict[str, dict[str, Tensor]],
    at_fine: dict[str, dict[str, Tensor]],
    small: dict[str, Tensor],
    costs: _Costs,
    block: int,
) -> list[dict[str, Any]]:
    """Every comparison that the rules name, in their order.

    Args:
        parts: what `scored` gives for each branch.
        at_fine: the same at stride 8; may be empty.
        small: what `reduced` gives.
        costs: of the seed.
        block: of the bootstrap.

    Returns:
        One dict each: what, halo, cost and its unit, interval, word; opponent where the best of several was taken.
    """
    found: list[dict[str, Any]] = []
    deep = parts["deep"]
    dense = PARTS * deep["dense"][:, -1]
    for halo in HALOS:

        def note(
            what: str, cost: float, one: Tensor | None, other: Tensor | None, unit: str = "multiply-adds",
            halo: int = halo, **more: Any,
        ) -> None:  # fmt: skip
            about = {"what": what, "halo": halo, "cost": round(cost, 6), "unit": unit}
            found.append({**about, **more, **difference(one, other, block)})

        cascade = costs.true(parts[f"cascade-{halo}"], halo)
        others = {name: costs.true(parts[key], halo) for name, key in _others(halo).items()}
        for budget in BUDGETS:
            own, at = cascade.at(budget), {name: curve.at(budget) for name, curve in others.items()}
            note(PRIMARY, budget, own, at["deep"])
            note("cascade - deep, dense", budget, own, dense)
            note("hard - deep", budget, at["hard"], at["deep"])
            note("cascade - hard", budget, own, at["hard"])
            note("cascade - shuffled", budget, own, at["shuffled"])
        names = [f"cascade-{halo} rho {rho:g}" for rho in RHOS]
        stops = [f"stop {s + 1}" for s in range(deep["dense"].shape[1] - 1)]
        units = {
            "multiply-adds": (cascade.costs, costs.of(small["macs"]), costs.of(deep["dense_macs"])[:-1]),
            "time": (
                costs.of_time(names), costs.of_time([f"scale {s:g}" for s in SCALES]), costs.of_time(stops),
            ),
        }  # fmt: skip
        for unit, (own_costs, small_costs, stop_costs) in units.items():
            curve, reduced = Curve(own_costs, cascade.counts), Curve(small_costs, small["counts"])
            for budget in BUDGETS:
                note("cascade - reduced input", budget, curve.at(budget), reduced.at(budget), unit)
                rivals = {"reduced input": reduced.at(budget)}
                rivals |= {
                    name: PARTS * deep["dense"][:, s]
                    for s, (name, cost) in enumerate(zip(stops, stop_costs, strict=True))
                    if cost <= budget
                }
                reached = {name: counts for name, counts in rivals.items() if counts is not None}
                best = max(reached, key=lambda name: float(miou(reached[name].sum(0))), default=None)
                rival = None if best is None else reached[best]
                note("cascade - best smaller dense", budget, curve.at(budget), rival, unit, opponent=best)
            for s, (name, cost) in enumerate(zip(stops, stop_costs, strict=True)):
                note(f"cascade - {name}", cost, curve.at(cost), PARTS * deep["dense"][:, s], unit)
        if at_fine:
            fine = costs.true(at_fine[f"cascade-{halo}"], halo)
            note(f"cascade at stride {FINE} - deep, dense", 1.0, fine.at(1.0), dense)
    return found


def _others(halo: int) -> dict[str, str]:
    """Who is compared with the cascade of a halo in true runs, by the name of its branch."""
    return {"deep": "deep", "hard": "hard", "shuffled": f"shuffled-{halo}"}
