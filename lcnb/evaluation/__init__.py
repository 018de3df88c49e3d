"""Scores: confusion matrix and mIoU, boundary F, exits by class, and the run that collects them."""

from lcnb.evaluation.evaluate import TOLERANCE, Scores, evaluate, stage_miou
from lcnb.evaluation.metrics import BoundaryF, ConfusionMatrix, ExitCounts, boundaries, near

__all__ = [
    "TOLERANCE", "BoundaryF", "ConfusionMatrix", "ExitCounts", "Scores", "boundaries", "evaluate", "near", "stage_miou",
]  # fmt: skip
