"""The JSON that a benchmark writes: what was measured, how, where, and whether the machine was quiet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from lcnb.benchmark.load import Load, busy_sentence
from lcnb.benchmark.protocol import Protocol
from lcnb.clock import stopwatch_for
from lcnb.machine import command, machine, versions

SCHEMA = "lcnb-bench-1"
"""Changes when a field changes its meaning or goes; new fields may come."""


def document(
    kind: str,
    *,
    settings: dict[str, Any],
    protocol: Protocol,
    devices: Sequence[str],
    timed: dict[str, list[str]],
    load: Load,
    results: list[dict[str, Any]],
    argv: Sequence[str],
) -> dict[str, Any]:
    """Everything a reader needs to believe, or repeat, a benchmark.

    Args:
        kind: "ops", "model", "systems", "training" or "gpu".
        settings: what was asked for: width, size, dtype and the like.
        protocol: how times were taken.
        devices: that were measured.
        timed: `inside` and `outside`: what the times include and what not.
        load: what else the machine did.
        results: one entry a measured case.
        argv: arguments of `lcnb`.
    """
    return {
        "schema": SCHEMA,
        "kind": kind,
        "settings": settings,
        "protocol": described(protocol, devices, timed),
        "load": load.as_dict(),
        "results": results,
        "not_measured": missing(devices, argv),
        "machine": machine(),
        "versions": {name: found for name, found in versions().items() if found is not None},
        "command": command(argv),
    }


def described(protocol: Protocol, devices: Sequence[str], timed: dict[str, list[str]]) -> dict[str, Any]:
    """The protocol as JSON takes it."""
    return {
        "warmup_rounds": protocol.warmup,
        "timed_rounds": protocol.repeats,
        "order": "opponents take turns in every round; the first one changes from round to round",
        "statistic": "median (p50) and p95 over the timed rounds; ratios are ratios of medians",
        "clock": {device: stopwatch_for(device).name for device in devices},
        "threads": torch.get_num_threads(),
        "tf32": {"matmul": torch.backends.cuda.matmul.allow_tf32, "cudnn": torch.backends.cudnn.allow_tf32},
        **timed,
    }


def missing(devices: Sequence[str], argv: Sequence[str]) -> list[dict[str, str]]:
    """What this machine could not measure, with the command that would."""
    if any(torch.device(d).type == "cuda" for d in devices):
        return []
    why = "not asked for" if torch.cuda.is_available() else "this machine has no CUDA device"
    return [{"device": "cuda", "why": f"not measured: {why}", "command": command(_on_cuda(argv))}]


def _on_cuda(argv: Sequence[str]) -> list[str]:
    """The same call for a GPU: other devices are left out, and so is the file it would overwrite."""
    kept, skip = [], False
    for word in argv:
        if word.startswith("-"):
            skip = word.split("=")[0] in ("--device", "--json", "--even-if-busy", "--threads")
        if not skip:
            kept.append(word)
    return [*kept, "--device", "cuda"]


def stated(found: dict[str, Any]) -> str:
    """The protocol and the load of a document, for people."""
    how, load = found["protocol"], found["load"]
    tf32 = {name: "on" if state else "off" for name, state in how["tf32"].items()}
    lines = [
        f"protocol: {how['warmup_rounds']} + {how['timed_rounds']} rounds, {how['order']}",
        f"          {how['statistic']}",
        f"inside the time: {', '.join(how['inside'])}; outside: {', '.join(how['outside']) or 'nothing'}",
        f"{how['threads']} threads, {found['settings']['dtype']}, TF32 products {tf32['matmul']}, "
        f"TF32 convolutions {tf32['cudnn']} (CUDA only)",
        f"machine: {_state(load)}",
    ]
    lines += [f"{m['device']}: {m['why']}; `{m['command']}` would" for m in found["not_measured"]]
    return "\n".join(lines)


def _state(load: dict[str, Any]) -> str:
    if busy := busy_sentence(load):
        return busy
    if load["idle_before"] is None:
        return "not watched, as psutil is missing; the repeats agree"
    return "quiet"
