"""Scores: confusion matrix and mIoU, boundary F, exits by class, and the run that collects them."""

from lcnb.evaluation.evaluate import TOLERANCE, Scores, evaluate, stage_miou
from lcnb.evaluation.metrics import BoundaryF, ConfusionMatrix, ExitCounts, boundaries, near
from lcnb.evaluation.sweep import Sweep, sweep

__all__ = [
    "TOLERANCE", "BoundaryF", "ConfusionMatrix", "ExitCounts", "Scores", "Sweep", "boundaries", "evaluate", "near",
    "stage_miou", "sweep",
]  # fmt: skip
