"""Data sets in their official layouts, found under `LCNB_DATA`; the embedded `streets` and photographs."""

from lcnb.datasets.base import DatasetSpec, SegmentationDataset, class_shares
from lcnb.datasets.catalog import folders, load_dataset, locate, names, spec, splits
from lcnb.datasets.images import read_image, read_mask
from lcnb.datasets.photos import Photo, load_photo

__all__ = [
    "DatasetSpec",
    "Photo",
    "SegmentationDataset",
    "class_shares",
    "folders",
    "load_dataset",
    "load_photo",
    "locate",
    "names",
    "read_image",
    "read_mask",
    "spec",
    "splits",
]
