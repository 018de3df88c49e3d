"""Training from scratch: a run is a folder, and a killed run resumes as if it had never stopped."""

from lcnb.training.checkpoint import config_of, load_checkpoint
from lcnb.training.config import ARMS, PRESETS, TrainConfig, TrainingError
from lcnb.training.losses import stage_losses
from lcnb.training.trainer import Trainer

__all__ = ["ARMS", "PRESETS", "TrainConfig", "Trainer", "TrainingError", "config_of", "load_checkpoint", "stage_losses"]
