"""Write the parts of docs/cascade-training.md that come from code and results, between their marks.

The rules are prose of the page itself. A test compares the page with what this gives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lcnb.cli.reproduce import BRANCH_STEPS, EXPERIMENT, RATE, STEPS
from lcnb.reproduction import cascade_training as experiment
from lcnb.reproduction import stored
from lcnb.reproduction.readings import agreed
from lcnb.reproduction.request import SEEDS
from lcnb.training import PRESETS
from tools.pages import DOCS, filled, shell, table, where

PAGE, RESULT = DOCS / "cascade-training.md", DOCS / "results" / "cascade-training.json"


def pages(result: Path = RESULT) -> dict[Path, str]:
    """The page, with what a result says."""
    return {PAGE: filled(PAGE, verdict=verdict(result), numbers=_numbers(), results=_results(stored(result)))}


def verdict(result: Path = RESULT) -> str:
    """The experiment's headline, for its page, the report and the README."""
    return f"**{stored(result)['verdicts'][0]}**"


def _numbers() -> str:
    config = PRESETS[EXPERIMENT]
    rows = [
        ("data", f"{config.dataset}, {config.classes}; trained on {config.split}, scored on {config.val_split}"),
        ("network", f"{config.network} at stride {config.stride}, from {config.init} weights"),
        ("seeds", ", ".join(map(str, SEEDS))),
        ("steps", f"trunk {STEPS}, each branch {BRANCH_STEPS}, batch {config.batch}, crops of {config.crop[0]}"),
        ("learning rate", f"trunk {config.lr:g}, branches {RATE * config.lr:g}; stages x {config.backbone_lr:g}"),
        ("losses", "cross-entropy of each stage, weighted alike"),
        ("rho in training", f"{config.rho:g}"),
        ("thresholds scored", ", ".join(f"{rho:g}" for rho in experiment.RHOS)),
        ("at stride 8", ", ".join(f"{rho:g}" for rho in experiment.FINE_RHOS)),
        ("halos", ", ".join(map(str, experiment.HALOS))),
        ("budgets", ", ".join(f"{budget:.0%}" for budget in experiment.BUDGETS)),
        ("scales of the reduced images", ", ".join(f"{scale:g}" for scale in experiment.SCALES)),
        ("images timed", f"the first {experiment.TIMED}"),
    ]  # fmt: skip
    return table(("what", "value"), rows, 2)


def _results(found: Mapping[str, Any]) -> str:
    seeds = found["seeds"]
    parts = [
        f"{len(seeds)} of {len(found['wanted'])} seeds, {found['images']} images of {found['dataset']} "
        f"{found['split']}; "
        f"{where(found['machine'])}; "
        "[every count](results/cascade-training.json).",
        _comparisons(seeds, "multiply-adds"),
        "At equal time, as a fraction of the dense network's:",
        _comparisons(seeds, "time"),
        "Each branch, dense by stage, and in true runs at the threshold of its training:",
        _branches(seeds, found["settings"]["rho"]),
        "The dense opponents, all with the weights of (1):",
        _opponents(seeds),
        _load(seeds),
        f"Again:\n\n{shell(found['command'])}",
    ]
    return "\n\n".join(parts)


def _comparisons(seeds: Sequence[Mapping[str, Any]], unit: str) -> str:
    rows = []
    for parts in zip(*(seed["comparisons"] for seed in seeds), strict=True):
        first = parts[0]
        if first["unit"] == unit:
            word = agreed([p["word"] for p in parts])
            rows.append(
                (first["what"], str(first["halo"]), f"{first['cost']:.0%}", *map(_interval, parts), f"**{word}**")
            )
    return table(("difference", "halo", "at", *(f"seed {seed['seed']}" for seed in seeds), "word"), rows, 1)


def _interval(comparison: Mapping[str, Any]) -> str:
    found = comparison["interval"]
    if found is None:
        return "-"
    rival = f" ({comparison['opponent']})" if comparison.get("opponent") else ""
    return f"{found['value']:+.3f} [{found['low']:+.3f}, {found['high']:+.3f}]{rival}"


def _branches(seeds: Sequence[Mapping[str, Any]], rho: float) -> str:
    rows = []
    halos = list(seeds[0]["branches"]["deep"]["true"])
    for name in seeds[0]["branches"]:
        for seed in seeds:
            branch = seed["branches"][name]
            dense = " / ".join(f"{row['miou']:.3f}" for row in branch["dense"])
            true = []
            for halo in halos:
                row = next((r for r in branch["true"].get(halo, ()) if r["rho"] == rho), None)
                exits = row and " / ".join(f"{100 * e:.0f}" for e in row["exits"])
                true.append("-" if row is None else f"{row['miou']:.3f} at {row['cost']:.0%} (exits {exits} %)")
            rows.append((name, str(seed["seed"]), dense, *true))
    return table(("branch", "seed", "stages alone", *(f"true at {rho:g}, halo {h}" for h in halos)), rows, 1)


def _opponents(seeds: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for seed in seeds:
        ms, number = seed["ms"], str(seed["seed"])
        whole = seed["branches"]["deep"]["dense"]
        for row in seed["opponents"]["reduced"]:
            name = f"scale {row['scale']:g}"
            rows.append((f"input at {name}", number, f"{row['miou']:.3f}", f"{row['cost']:.0%}", f"{ms[name]:.1f}"))
        for row in whole[:-1]:
            name = f"stop {row['stage']}"
            rows.append((f"{name}, dense", number, f"{row['miou']:.3f}", f"{row['cost']:.0%}", f"{ms[name]:.1f}"))
        for stride in (name for name in seed["opponents"] if name.startswith("stride")):
            row = seed["opponents"][stride]["deep"]["dense"][-1]
            rows.append((f"{stride}, dense", number, f"{row['miou']:.3f}", f"{row['cost']:.0%}", f"{ms[stride]:.1f}"))
    return table(("opponent", "seed", "mIoU", "multiply-adds", "ms"), rows, 1)


def _load(seeds: Sequence[Mapping[str, Any]]) -> str:
    busy = [str(seed["seed"]) for seed in seeds if seed["load"]["busy"]]
    if not busy:
        return "The machine was quiet while times were taken."
    return (
        f"The machine was busy while the times of seed {' and '.join(busy)} were taken: opponents took turns, so "
        "ratios hold better than milliseconds do."
    )
