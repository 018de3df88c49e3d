"""Networks: IRNet, the cascade that any staged network becomes, and how to make one of another network."""

from lcnb.models.backbones import ADAPTIVE, adaptive_fcn_resnet50, adaptive_fcn_resnet101
from lcnb.models.cascade import LayerCascade
from lcnb.models.compiling import CompileError
from lcnb.models.cost import CascadeCost, cascade_cost
from lcnb.models.cut import SplitError
from lcnb.models.exits import CRITERIA, CascadeOutput, Criterion, certainty, margin, max_softmax
from lcnb.models.fusing import FusionError
from lcnb.models.inference import FusedCascade
from lcnb.models.inspect import Inspection, inspect
from lcnb.models.irnet import IRNetConfig
from lcnb.models.labels import to_labels, to_pixels
from lcnb.models.lite import LiteConfig, lite_lc
from lcnb.models.runs import RHO, CascadeRuns, StageLogits, rethreshold
from lcnb.models.split import split
from lcnb.models.variants import irnet_lc

__all__ = [
    "ADAPTIVE",
    "CRITERIA",
    "RHO",
    "CascadeCost",
    "CascadeOutput",
    "CascadeRuns",
    "CompileError",
    "Criterion",
    "FusedCascade",
    "FusionError",
    "IRNetConfig",
    "Inspection",
    "LayerCascade",
    "LiteConfig",
    "SplitError",
    "StageLogits",
    "adaptive_fcn_resnet50",
    "adaptive_fcn_resnet101",
    "cascade_cost",
    "certainty",
    "inspect",
    "irnet_lc",
    "lite_lc",
    "margin",
    "max_softmax",
    "rethreshold",
    "split",
    "to_labels",
    "to_pixels",
]
