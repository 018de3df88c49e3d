"""The page that goes with weights; every number in it comes from their `metrics.json`."""

from __future__ import annotations

import shlex
from typing import Any

from lcnb.cli.console import number, percent


def card(metrics: dict[str, Any]) -> str:
    """A model card in Markdown."""
    return "\n".join([_head(metrics), _scores(metrics), _classes(metrics), _recipe(metrics), _measured(metrics)])


def _head(m: dict[str, Any]) -> str:
    recipe = m["recipe"]
    named = recipe.get("network", "irnet")  # cards of before 2.0 know IRNet only
    network = "EfficientNet-Lite0" if named == "lite0" else f"IRNet, width {recipe['width']:g}"
    return (
        f"# {m['name']}\n\nA three-stage Layer Cascade ({network}, "
        f"{m['parameters'] / 1e6:.2f} million parameters, {m['bytes'] / 1e6:.1f} MB), trained on {m['dataset']}.\n\n"
        f'```python\nimport lcnb\n\ncascade = lcnb.load("{m["name"]}")\n```\n\n'
        f"Licence of the weights: {m['licence']}. Licence of the data they were trained on: {m['data_licence']}.\n"
    )


def _scores(m: dict[str, Any]) -> str:
    true, dense = m["true"], m["dense"]
    rows = [
        ("mIoU", number(true["miou"]), number(dense["miou"])),
        ("pixel accuracy", number(true["pixel_accuracy"]), number(dense["pixel_accuracy"])),
        *([] if true["boundary_f"] is None else [_boundary(true, dense)]),
        ("cells that leave at stage 1 / 2 / 3", *(" / ".join(map(percent, run["exits"])) for run in (true, dense))),
        ("GMAC an image", number(true["gmacs_per_image"], 2), number(dense["gmacs_per_image"], 2)),
    ]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    stages = " / ".join(map(number, m["stage_miou"]))
    return (
        f"## Scores on {m['dataset']} {m['split']} ({true['images']} images)\n\n"
        f"| | {_setting(true)} | rho = 1 (dense) |\n|---|---|---|\n"
        + "\n".join(lines)
        + f"\n\nEach stage alone, on every pixel: mIoU {stages}. All runs are true runs: later stages on regions.\n"
    )


def _boundary(true: dict[str, Any], dense: dict[str, Any]) -> tuple[str, str, str]:
    name = f"boundary F, {true['boundary_tolerance_px']} px"
    return name, number(true["boundary_f"]), number(dense["boundary_f"])


def _classes(m: dict[str, Any]) -> str:
    true, dense = m["true"], m["dense"]
    shown = m.get("images_with", {})  # how many images show a class: what its IoU rests on
    lines = [
        f"| {name} | {number(iou)} | {number(dense['iou'][name])} | {shown.get(name, '')} |"
        for name, iou in true["iou"].items()
    ]
    head = f"| class | IoU, {_setting(true)} | IoU, rho = 1 | images with it |\n|---|---|---|---|\n"
    return head + "\n".join(lines) + "\n"


def _setting(run: dict[str, Any]) -> str:
    return f"rho = {run['rho']}" + (f", halo {run['halo']}" if run.get("halo") else "")


def _recipe(m: dict[str, Any]) -> str:
    knobs = ", ".join(f"{name} {_shown(value)}" for name, value in m["recipe"].items())
    steps = f"{m['steps_done']} of {m['recipe']['steps']} + {m['recipe']['cascade_steps']} steps"
    note = f"\n{m['note']}\n" if m.get("note") else ""
    return (
        f"## Recipe\n\n`lcnb train`, {steps}, averaged weights, kernels stored as float16: {knobs}.\n"
        f"{_calibration(m.get('calibration'))}{note}"
    )


def _calibration(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    temperatures = " / ".join(f"{t:g}" for t in found["temperatures"])
    return f"\nLogits are divided by {temperatures}, fitted on the split {found['split']} (temperature scaling).\n"


def _shown(value: Any) -> str:
    return " / ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _measured(m: dict[str, Any]) -> str:
    where = m["machine"]
    return (
        f"Measured on {where['cpu']} ({where['cores']} cores), torch {where['torch']}, {where['date']}, with "
        f"`{_without_note(m['command'])}`; all numbers are in `metrics.json`.\n"
    )


def _without_note(command: str) -> str:
    """The command but for its --note, which the card has already."""
    words = shlex.split(command)
    if "--note" in words:
        at = words.index("--note")
        del words[at : at + 2]
    return shlex.join(words)
