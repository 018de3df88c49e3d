"""Deep Layer Cascade: difficulty-aware semantic segmentation with region convolution.

    import lcnb
    cascade = lcnb.load("streets-small")          # a three-stage IRNet
    image, mask = lcnb.load_dataset("streets", "val")[0]
    out = cascade(image[None] / 255, rho=0.985)   # stages 2 and 3 run on the open cells only
    print(out.exits)                              # share of cells that left at each stage

Reproduces X. Li, Z. Liu, P. Luo, C. C. Loy, X. Tang, "Not All Pixels Are Equal", CVPR 2017.
"""

from lcnb import datasets, models, weights
from lcnb.datasets import load_dataset
from lcnb.errors import DataError, LcnbError, WeightsError
from lcnb.evaluation import evaluate
from lcnb.models import CascadeOutput, LayerCascade, cascade_cost, irnet_lc, rethreshold
from lcnb.regions import Region, RegionOpError, RegionTensor, use_backend
from lcnb.weights import load

__version__ = "0.1.0"
__all__ = [
    "CascadeOutput",
    "DataError",
    "LayerCascade",
    "LcnbError",
    "Region",
    "RegionOpError",
    "RegionTensor",
    "WeightsError",
    "cascade_cost",
    "datasets",
    "evaluate",
    "irnet_lc",
    "load",
    "load_dataset",
    "models",
    "rethreshold",
    "use_backend",
    "weights",
]
