"""Data sets in their official layouts, found under `LCNB_DATA`, and the embedded `streets`."""

from lcnb.datasets.base import DatasetSpec, SegmentationDataset, read_image, read_mask
from lcnb.datasets.catalog import load_dataset, locate, names, spec, splits

__all__ = [
    "DatasetSpec",
    "SegmentationDataset",
    "load_dataset",
    "locate",
    "names",
    "read_image",
    "read_mask",
    "spec",
    "splits",
]
