"""Scores: confusion matrix and mIoU, boundary F, exits by class, the run that collects them, and how sure they are."""

from lcnb.evaluation.bootstrap import Interval, bootstrap_miou, bootstrap_share
from lcnb.evaluation.evaluate import TOLERANCE, Scores, evaluate, stage_miou
from lcnb.evaluation.metrics import BoundaryF, ConfusionMatrix, ExitCounts, boundaries, near
from lcnb.evaluation.sweep import Sweep, sweep

__all__ = [
    "TOLERANCE", "BoundaryF", "ConfusionMatrix", "ExitCounts", "Interval", "Scores", "Sweep", "bootstrap_miou",
    "bootstrap_share", "boundaries", "evaluate", "near", "stage_miou", "sweep",
]  # fmt: skip
