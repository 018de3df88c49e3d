"""Checkpoints and the log of a run: written whole or not at all, read without running what they contain."""

from __future__ import annotations

import csv
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from lcnb.paths import written_whole
from lcnb.training.config import TrainConfig, TrainingError


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint without running anything it might contain.

    Raises:
        TrainingError: it is missing, damaged, or no checkpoint of this project.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise TrainingError(f"{path} does not exist") from None
    except Exception as error:  # torch raises many kinds for a damaged file
        raise TrainingError(f"{path} is damaged or no checkpoint of lcnb ({type(error).__name__})") from None
    if not isinstance(state, dict) or not {"model", "average", "optimiser", "step", "config"} <= state.keys():
        raise TrainingError(f"{path} is no checkpoint of lcnb")
    return state


def config_of(folder: Path) -> TrainConfig:
    """The settings of the run in a folder, as its checkpoint holds them."""
    saved = load_checkpoint(Path(folder) / "checkpoint.pt")["config"]
    known = {f.name for f in fields(TrainConfig)}
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in saved.items() if k in known}
    return TrainConfig(**values)


def append_row(path: Path, row: dict[str, Any], stages: int) -> None:
    """Add a line to the CSV log."""
    names = ["step", "loss", "lr", "images_per_s", *(f"miou_stage{s + 1}" for s in range(stages))]
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, names)
        if new:
            writer.writeheader()
        writer.writerow(row)


def cut_log(path: Path, step: int) -> None:
    """Drop rows that were logged after the checkpoint a run resumes from."""
    if not path.exists():
        return
    with path.open(newline="") as file:
        lines = file.readlines()
    kept = lines[:1] + [line for line in lines[1:] if line.split(",")[0].isdigit() and int(line.split(",")[0]) <= step]
    with written_whole(path) as temporary:
        temporary.write_text("".join(kept))
