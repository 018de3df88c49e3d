"""How far two ways of running the same network agree, and two trainings of the same seed; and the page about it.

    python -m tools.determinism            # measures: docs/results/determinism.json, minutes
    python -m tools.pages determinism      # writes the page from it

Every way runs the same images; each is compared with the modules as they are written, on one thread.

Shape letters: B images, K classes, h, w the grid, H, W pixels.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lcnb.datasets import load_dataset
from lcnb.evaluation.metrics import ConfusionMatrix
from lcnb.machine import machine
from lcnb.models import CascadeOutput, LayerCascade
from lcnb.paths import write_json
from lcnb.regions import use_backend
from lcnb.reproduction import stored
from lcnb.training import TrainConfig, Trainer
from lcnb.weights import FILE, load, save
from tools.pages import DOCS, filled, table

PAGE = DOCS / "determinism.md"
RESULT = "determinism"
WEIGHTS, IMAGES, BATCH = "streets-small", 20, 4
TRAINING = TrainConfig(
    dataset="streets", width=0.1, steps=6, cascade_steps=4, batch=2, crop=(96, 128), warmup=2, save_every=100,
    log_every=100, val_images=1,
)  # fmt: skip

Run = Callable[[Tensor], CascadeOutput]


def images() -> tuple[Tensor, Tensor]:
    """(IMAGES, 3, H, W) float in [0, 1] and (IMAGES, H, W) of the first validation images."""
    items = load_dataset("streets", "val")
    found = [items[i] for i in range(IMAGES)]
    return torch.stack([x for x, _ in found]).float() / 255, torch.stack([y for _, y in found])


def ways(cascade: LayerCascade) -> Iterator[tuple[str, Run, int, int]]:
    """(name, how, threads, images at once) of every way; the first is what the others are compared with."""

    def reference(x: Tensor) -> CascadeOutput:
        with use_backend("reference"):
            return cascade(x)

    yield "modules", cascade, 1, 1
    yield "modules, again", cascade, 1, 1
    yield f"modules, {BATCH} images at once", cascade, 1, BATCH
    yield "modules, two threads", cascade, 2, 1
    yield "modules, backend `reference`", reference, 1, 1
    fast = cascade.for_inference()
    yield "prepared for inference", fast, 1, 1
    yield f"prepared, {BATCH} images at once", fast, 1, BATCH
    yield "prepared, two threads", fast, 2, 1
    yield "prepared, by torch's operations", cascade.for_inference(native=False), 1, 1
    yield "prepared, bfloat16", cascade.for_inference(torch.bfloat16), 1, 1


@torch.inference_mode()
def answers(run: Run, x: Tensor, threads: int, batch: int) -> dict[str, Tensor]:
    """logits, stage and labels of all images."""
    torch.set_num_threads(threads)
    outputs = [run(part) for part in x.split(batch)]
    names = ("logits", "stage", "labels")
    return {name: torch.cat([getattr(out, name).float() for out in outputs]) for name in names}


def compared(mine: dict[str, Tensor], base: dict[str, Tensor], truth: Tensor) -> dict[str, Any]:
    """What differs, and how near the pixels that changed their label were to a tie."""
    changed = mine["labels"] != base["labels"]
    return {
        "logits_equal": torch.equal(mine["logits"], base["logits"]),
        "largest_difference": float((mine["logits"] - base["logits"]).abs().max()),
        "cells_differ": int((mine["stage"] != base["stage"]).sum()),
        "pixels_differ": int(changed.sum()),
        "miou": miou(mine["labels"], truth),
    }


def miou(labels: Tensor, truth: Tensor) -> float:
    spec = load_dataset("streets", "val").spec
    confusion = ConfusionMatrix(len(spec.classes), spec.ignore_index)
    confusion.update(labels.long(), truth)
    return round(confusion.miou, 6)


def fingerprint(cascade: LayerCascade, x: Tensor) -> str:
    """Of labels and logits of one way, bit by bit."""
    found = answers(cascade, x, 1, 1)
    return hashlib.sha256(b"".join(found[name].numpy().tobytes() for name in sorted(found))).hexdigest()


def trained(seed: int, threads: int) -> bytes:
    """The file of weights that a short training of both steps gives."""
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as name:
        network = Trainer(replace(TRAINING, seed=seed), Path(name) / "run", say=lambda line: None).run()
        return save(network, Path(name) / "weights", {"name": "short"}).read_bytes()


def measure() -> dict[str, Any]:
    """All of it."""
    cascade, (x, truth) = load(WEIGHTS), images()
    base: dict[str, Tensor] = {}
    rows = []
    for name, run, threads, batch in ways(cascade):
        found = answers(run, x, threads, batch)
        base = base or found
        rows.append({"way": name, **compared(found, base, truth)})
        print(rows[-1], flush=True)
    command = [sys.executable, "-m", "tools.determinism", "--fingerprint"]
    other = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    one, again, two = trained(0, 1), trained(0, 1), trained(0, 2)
    return {
        "weights": WEIGHTS, "dataset": "streets", "split": "val", "images": IMAGES, "rho": cascade.rho,
        "cells": base["stage"].numel(), "pixels": base["labels"].numel(), "ways": rows,
        "another_process_equal": other == fingerprint(cascade, x),
        "training": {
            "steps": TRAINING.total_steps, "file": FILE, "same_seed_same_file": one == again,
            "two_threads_same_file": one == two, "another_seed_same_file": one == trained(1, 1),
        },
        "machine": machine(), "command": "python -m tools.determinism",
    }  # fmt: skip


def pages() -> dict[Path, str]:
    """The page."""
    r = stored(RESULT)
    rows = [
        (
            way["way"],
            "every bit" if way["logits_equal"] else f"to {way['largest_difference']:.1e}",
            f"{way['cells_differ']} of {r['cells']:,}",
            f"{way['pixels_differ']:,} of {r['pixels']:,}",
            f"{way['miou']:.4f}",
        )
        for way in r["ways"][1:]
    ]
    float32 = [way for way in r["ways"][1:] if "bfloat16" not in way["way"]]
    yes = {True: "the same file, byte for byte", False: "another file"}
    training = r["training"]
    m = r["machine"]
    text = filled(
        PAGE,
        weights=r["weights"], images=r["images"], rho=r["rho"], pixels=f"{r['pixels']:,}",
        base=f"{r['ways'][0]['miou']:.4f}",
        table=table(("way", "logits agree", "cells that exit elsewhere", "labels that differ", "mIoU"), rows),
        most=max(way["pixels_differ"] for way in float32), cells=max(way["cells_differ"] for way in float32),
        process="the same bits" if r["another_process_equal"] else "other bits",
        steps=training["steps"], again=yes[training["same_seed_same_file"]],
        seed=yes[training["another_seed_same_file"]],
        threads=yes[training["two_threads_same_file"]],
        machine=f"{m['cores']} cores of an {m['cpu']}, torch {m['torch'].split('+')[0]}, no GPU",
    )  # fmt: skip
    return {PAGE: text}


if __name__ == "__main__":
    if sys.argv[1:] == ["--fingerprint"]:
        print(fingerprint(load(WEIGHTS), images()[0]))
    else:
        write_json(DOCS / "results" / f"{RESULT}.json", measure())
