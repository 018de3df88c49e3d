"""Sliders as content: they answer within a tenth of a second, by keyboard too, and say what they show."""

from lcnb.datasets.images import decode_photo
from lcnb.widgets.budget import BudgetExplorer
from lcnb.widgets.controls import TrainingCurve, progress
from lcnb.widgets.explorer import ThresholdExplorer
from lcnb.widgets.grades import DifficultyExplorer
from lcnb.widgets.photo import PhotoExplorer
from lcnb.widgets.player import LivePlayer
from lcnb.widgets.regions import RegionExplorer

__all__ = [
    "BudgetExplorer",
    "DifficultyExplorer",
    "LivePlayer",
    "PhotoExplorer",
    "RegionExplorer",
    "ThresholdExplorer",
    "TrainingCurve",
    "decode_photo",
    "progress",
]
