"""Regions: compute only where it matters.

`Region` says which cells are in play, `RegionTensor` carries their features through unmodified PyTorch
modules, and a backend does the arithmetic. Nothing here knows about networks or data sets.
"""

from lcnb.regions import ops  # noqa: F401  it gives functions their meaning
from lcnb.regions.backends import Backend, backends, register, unavailable, use_backend
from lcnb.regions.region import Region
from lcnb.regions.tensor import RegionOpError, RegionTensor

__all__ = [
    "Backend",
    "Region",
    "RegionOpError",
    "RegionTensor",
    "backends",
    "register",
    "unavailable",
    "use_backend",
]
