"""Networks: IRNet and the cascade that any staged network becomes."""

from lcnb.models.cascade import RHO, CascadeRuns, LayerCascade, StageLogits, irnet_lc, rethreshold
from lcnb.models.cost import CascadeCost, cascade_cost
from lcnb.models.exits import CRITERIA, CascadeOutput, Criterion, certainty, margin, max_softmax, to_labels, to_pixels
from lcnb.models.fused import FusedCascade, FusionError
from lcnb.models.irnet import IRNetConfig

__all__ = [
    "CRITERIA",
    "RHO",
    "CascadeCost",
    "CascadeOutput",
    "CascadeRuns",
    "Criterion",
    "FusedCascade",
    "FusionError",
    "IRNetConfig",
    "LayerCascade",
    "StageLogits",
    "cascade_cost",
    "certainty",
    "irnet_lc",
    "margin",
    "max_softmax",
    "rethreshold",
    "to_labels",
    "to_pixels",
]
