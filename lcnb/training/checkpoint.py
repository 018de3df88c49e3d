"""Checkpoints and the log of a run: written whole or not at all, read without running what they contain."""

from __future__ import annotations

import csv
import errno
import json
import warnings
from pathlib import Path
from typing import IO, Any

import torch

from lcnb.errors import WriteError, first_line
from lcnb.paths import written_whole
from lcnb.training.config import TrainConfig, TrainingError

CHECKPOINT, LOG, CONFIG = "checkpoint.pt", "log.csv", "config.json"


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint, whole or not at all.

    Raises:
        TrainingError: it cannot be written (the disk is full, say); an older one stays as it was.
    """
    try:
        with written_whole(path) as temporary, temporary.open("wb") as file:
            _save(state, file)
    except WriteError as error:
        raise TrainingError(str(error)) from None


def _save(state: dict[str, Any], file: IO[bytes]) -> None:
    """torch.save, with the reason of a failed write instead of the place in torch's source that saw it."""
    try:
        torch.save(state, file)
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise OSError(errno.EIO, first_line(error)) from None


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint without running anything it might contain.

    Raises:
        TrainingError: it is missing, damaged, or no checkpoint of this project.
    """
    try:
        with warnings.catch_warnings():  # about what is then refused anyway
            warnings.simplefilter("ignore")
            state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise TrainingError(f"{path} does not exist") from None
    except Exception as error:  # torch raises many kinds for a damaged file
        raise TrainingError(f"{path} is damaged or no checkpoint of lcnb ({type(error).__name__})") from None
    kinds = {"model": dict, "average": dict, "optimiser": dict, "step": int, "config": dict}
    if not isinstance(state, dict) or not all(isinstance(state.get(name), kind) for name, kind in kinds.items()):
        raise TrainingError(f"{path} is no checkpoint of lcnb")
    return state


def config_of(folder: Path) -> TrainConfig:
    """The settings of the run in a folder: its checkpoint's, or those it was started with if there is none yet.

    Raises:
        TrainingError: there is no run, or what holds its settings is damaged.
    """
    path = Path(folder) / CHECKPOINT
    if not path.exists():
        path = Path(folder) / CONFIG
    saved = _settings(path)
    try:
        known = TrainConfig.known(saved)
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in known.items()}
        return TrainConfig(**values)
    except (TypeError, AttributeError, TrainingError) as error:  # no settings at all, or impossible ones
        raise TrainingError(f"{path} holds settings that make no run ({error})") from None


def _settings(path: Path) -> dict[str, Any]:
    if path.name == CHECKPOINT:
        return load_checkpoint(path)["config"]
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TrainingError(f"{path.parent} holds no run: {CHECKPOINT} does not exist, nor does {CONFIG}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise TrainingError(f"{path} is damaged ({error}); remove it to start the run again") from None


def append_row(path: Path, row: dict[str, Any], stages: int) -> None:
    """Add a line to the CSV log.

    Raises:
        TrainingError: it cannot be written.
    """
    scores = [*(f"miou_stage{s + 1}" for s in range(stages)), "miou_true"]
    names = ["step", "phase", "loss", "lr", "images_per_s", *scores]
    try:
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, names, lineterminator="\n")
            if file.tell() == 0:
                writer.writeheader()
            writer.writerow(row)
    except OSError as error:
        raise TrainingError(f"{WriteError(path, error)}; so is the last checkpoint") from None


def cut_log(path: Path, step: int) -> None:
    """Drop rows that were logged after the checkpoint a run resumes from, and a line that a kill cut off."""
    if not path.exists():
        return
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        found = list(file)
        header, *rows = [line for line in found if line.endswith("\n")] or [""]
    numbers = [row.split(",")[0] for row in rows]
    kept = [row for row, n in zip(rows, numbers, strict=True) if n.isdecimal() and int(n) <= step]
    if [header, *kept] != found:
        with written_whole(path) as temporary:
            temporary.write_text(header + "".join(kept), encoding="utf-8", newline="")


def sweep(folder: Path) -> None:
    """Remove the half-written files that a killed run left."""
    for name in (CHECKPOINT, LOG, CONFIG):
        for leftover in folder.glob(f".{name}.*"):
            leftover.unlink(missing_ok=True)
