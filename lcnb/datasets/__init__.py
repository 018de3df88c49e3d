"""Data sets in their official layouts, found under `LCNB_DATA`, and the embedded `streets`."""

from lcnb.datasets.base import DatasetSpec, SegmentationDataset
from lcnb.datasets.catalog import folders, load_dataset, locate, names, spec, splits
from lcnb.datasets.pictures import read_image, read_mask
from lcnb.datasets.shares import class_shares

__all__ = [
    "DatasetSpec",
    "SegmentationDataset",
    "class_shares",
    "folders",
    "load_dataset",
    "locate",
    "names",
    "read_image",
    "read_mask",
    "spec",
    "splits",
]
