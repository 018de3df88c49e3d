"""`lcnb info`: what is installed, what is found, and what is wrong; it never fails itself."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

from lcnb.cli.console import table
from lcnb.cli.diagnosis import problems
from lcnb.cli.options import command
from lcnb.cli.probes import free_gb, probes
from lcnb.machine import hardware, versions
from lcnb.paths import checkout, data_roots


def add(commands: Any) -> None:
    """The command's options."""
    parser = command(
        commands, "info", run, "show versions, devices, data and weights, and what is wrong", "lcnb info --json"
    )
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print what `collect` found; always 0."""
    found = collect()
    print(json.dumps(found, indent=1) if arguments.json else text(found))
    return 0


def collect() -> dict[str, Any]:
    """Everything there is to say, as JSON takes it; a probe that fails leaves its reason in `errors`."""
    from lcnb import __version__

    errors: dict[str, str] = {}
    root = checkout()
    found: dict[str, Any] = {
        "lcnb": __version__,
        "checkout": None if root is None else str(root),
        "data_roots": [str(p) for p in data_roots()],
        "versions": versions(),
        "hardware": hardware(),
        "free_gb": free_gb(),
        **{name: _probe(name, probe, errors) for name, probe in probes().items()},
        "errors": errors,
    }
    return found | {"problems": problems(found)}


def _probe(name: str, probe: Callable[[], Any], errors: dict[str, str]) -> Any:
    try:
        return probe()
    except Exception as error:  # anything at all: this command explains broken installations
        errors[name] = " ".join(f"{type(error).__name__}: {error}".split())[:400]
        return None


def text(found: dict[str, Any]) -> str:
    """The same for people."""
    parts = [
        f"lcnb {found['lcnb']}, {found['checkout'] or 'installed without its source tree'}",
        _versions(found),
        _devices(found),
        _backend_list(found),
        _data(found),
        _weight_list(found),
    ]
    wrong = [f"  - {sentence}" for sentence in found["problems"]]
    parts.append("\n".join(["what is wrong:", *wrong]) if wrong else "what is wrong: nothing found")
    return "\n\n".join(parts)


def _versions(found: dict[str, Any]) -> str:
    rows = [("package", "version"), ("python", found["hardware"]["python"])]
    return table([*rows, *((name, v or "not installed") for name, v in found["versions"].items())])


def _devices(found: dict[str, Any]) -> str:
    hardware, torch = found["hardware"], found["torch"]
    memory = "" if hardware["memory_gb"] is None else f", {hardware['memory_gb']:g} GB"
    lines = [f"cpu: {hardware['cpu']}, {hardware['cores']} cores{memory}, {hardware['platform']}"]
    if torch is not None:
        gpus = ", ".join(torch["gpus"]) or "none"
        lines += [f"torch threads: {torch['threads']}", f"cuda: {gpus} (torch built for {torch['cuda'] or 'no CUDA'})"]
    return "\n".join(lines)


def _backend_list(found: dict[str, Any]) -> str:
    lines = [f"region backends: {', '.join(found['backends'] or ['unknown: torch is broken'])}"]
    lines += [f"  not {name}: {reason}" for name, reason in (found["backends_unavailable"] or {}).items()]
    return "\n".join([*lines, f"native CPU kernels: {_native(found['native'])}"])


def _native(found: dict[str, Any] | None) -> str:
    if found is None:
        return "unknown, they cannot be looked for"
    if found["lanes"] is None:
        return f"none, torch's operations run instead ({found['why_not']})"
    return f"compiled for this processor, {found['lanes']} floats at a time"


def _data(found: dict[str, Any]) -> str:
    if found["datasets"] is None:
        return "data sets: unknown, as torch or torchvision is broken"
    rows: list[tuple[str, str, str]] = [("data set", "splits", "folder")]
    for name, one in found["datasets"].items():
        if one is None:
            rows.append((name, "-", "not found"))
            continue
        counts = {s: f"{s} {n if isinstance(n, int) else 'damaged'}" for s, n in one["splits"].items()}
        rows += [(name, ", ".join(counts[s] for s in own) or "-", folder) for folder, own in one["folders"].items()]
    return table(rows)


def _weight_list(found: dict[str, Any]) -> str:
    return table([("weights", "folder"), *(found["weights"] or {"none": "-"}).items()])
