"""Deep Layer Cascade: difficulty-aware semantic segmentation with region convolution.

    import lcnb
    cascade = lcnb.load("streets-small")          # a three-stage IRNet
    image, mask = lcnb.load_dataset("streets", "val")[0]
    out = cascade(image[None] / 255, rho=0.985)   # stages 2 and 3 run on the open cells only
    print(out.exits)                              # fraction of cells that exited at each stage

Reproduces X. Li, Z. Liu, P. Luo, C. C. Loy, X. Tang, "Not All Pixels Are Equal", CVPR 2017.

Names are imported when they are first used: `lcnb --help` and `lcnb info` work without torch.
"""

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lcnb import datasets, models, weights
    from lcnb.datasets import load_dataset, load_photo
    from lcnb.errors import DataError, LcnbError, WeightsError
    from lcnb.evaluation import evaluate
    from lcnb.lessons import check
    from lcnb.models import (
        CascadeOutput,
        LayerCascade,
        SplitError,
        adaptive_fcn_resnet50,
        adaptive_fcn_resnet101,
        cascade_cost,
        inspect,
        irnet_lc,
        lite_lc,
        rethreshold,
        split,
    )
    from lcnb.regions import Region, RegionOpError, RegionTensor, use_backend
    from lcnb.weights import load, save

__version__ = "1.0.0"

if "torch" not in sys.modules and "OMP_WAIT_POLICY" not in os.environ:  # OpenMP reads it once, when torch is imported
    # Idle threads spin for some microseconds, then sleep. Forever would take the cores from whatever shares the
    # machine; never makes each of a network's many small operations wait for a thread to wake.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

_HOMES = {
    "DataError": "lcnb.errors",
    "LcnbError": "lcnb.errors",
    "WeightsError": "lcnb.errors",
    "CascadeOutput": "lcnb.models",
    "LayerCascade": "lcnb.models",
    "Region": "lcnb.regions",
    "RegionOpError": "lcnb.regions",
    "RegionTensor": "lcnb.regions",
    "SplitError": "lcnb.models",
    "adaptive_fcn_resnet50": "lcnb.models",
    "adaptive_fcn_resnet101": "lcnb.models",
    "cascade_cost": "lcnb.models",
    "check": "lcnb.lessons",
    "evaluate": "lcnb.evaluation",
    "inspect": "lcnb.models",
    "irnet_lc": "lcnb.models",
    "lite_lc": "lcnb.models",
    "load": "lcnb.weights",
    "load_dataset": "lcnb.datasets",
    "load_photo": "lcnb.datasets",
    "rethreshold": "lcnb.models",
    "save": "lcnb.weights",
    "split": "lcnb.models",
    "use_backend": "lcnb.regions",
}
__all__ = [
    "CascadeOutput",
    "DataError",
    "LayerCascade",
    "LcnbError",
    "Region",
    "RegionOpError",
    "RegionTensor",
    "SplitError",
    "WeightsError",
    "adaptive_fcn_resnet50",
    "adaptive_fcn_resnet101",
    "cascade_cost",
    "check",
    "datasets",
    "evaluate",
    "inspect",
    "irnet_lc",
    "lite_lc",
    "load",
    "load_dataset",
    "load_photo",
    "models",
    "rethreshold",
    "save",
    "split",
    "use_backend",
    "weights",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in __all__:
        return import_module(f"lcnb.{name}")
    raise AttributeError(f"module 'lcnb' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
