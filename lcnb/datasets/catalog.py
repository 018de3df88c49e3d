"""One registry: name -> data set, classes, splits, ignore index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from lcnb.datasets import camvid, cityscapes, streets, voc
from lcnb.datasets.base import DatasetSpec, SegmentationDataset
from lcnb.errors import DataError
from lcnb.paths import absolute, data_roots, searched


@dataclass(frozen=True)
class _Entry:
    spec: DatasetSpec
    splits: Callable[[Path], list[str]]
    pairs: Callable[[Path, str], list[tuple[Path, Path]]]
    relabel: torch.Tensor | None = None
    how_to_get_split: dict[str, str] = field(default_factory=dict)


_CATALOG = {
    "streets": _Entry(streets.SPEC, streets.splits, streets.pairs),
    "camvid": _Entry(camvid.SPEC, camvid.splits, camvid.pairs),
    "voc2012": _Entry(voc.SPEC, voc.splits, voc.pairs, None, voc.HOW_TO_GET_SPLIT),
    "cityscapes": _Entry(cityscapes.SPEC, cityscapes.splits, cityscapes.pairs, cityscapes.relabel_ids()),
}
_COVERED7 = _Entry(voc.SPEC_COVERED7, voc.splits, voc.pairs, voc.relabel_covered7(), voc.HOW_TO_GET_SPLIT)


def names() -> list[str]:
    """All data sets, whether on disk or not."""
    return list(_CATALOG)


def spec(name: str, classes: str = "all") -> DatasetSpec:
    """What is fixed about a data set.

    Raises:
        DataError: there is none of that name, or it has no such choice of classes.
    """
    return _entry(name, classes).spec


def locate(name: str) -> Path | None:
    """The folder of a data set under the first data root that has a split of it, or None."""
    entry = _entry(name)
    return next((folder for folder in _candidates(entry.spec) if entry.splits(folder)), None)


def _candidates(spec: DatasetSpec) -> list[Path]:
    """The folders that could hold a data set, in order of preference; only those that exist."""
    found = []
    for root in data_roots():
        found.append(root / spec.folder)
        if spec.name == "voc2012" and (root / "VOCdevkit" / "VOC2012").is_dir():  # as the official archive unpacks
            found.append(root)
    return [folder for folder in found if folder.is_dir()]


def splits(name: str) -> list[str]:
    """The splits that exist on disk; empty when the data set is not there."""
    folder = locate(name)
    return [] if folder is None else _entry(name).splits(folder)


def load_dataset(
    name: str,
    split: str = "val",
    *,
    classes: str = "all",
    transform: Callable | None = None,
    root: str | Path | None = None,
) -> SegmentationDataset:
    """Open one split of a data set.

    Args:
        name: "streets", "camvid", "voc2012" or "cityscapes".
        split: one of those on disk.
        classes: "all", or "covered7" for VOC.
        transform: a `torchvision.transforms.v2` transform of (image, mask).
        root: the data set's own folder; by default it is searched under `lcnb.paths.data_roots()`.

    Raises:
        DataError: unknown name, folder or split not found (it says where it looked and how to get the data), a
            file missing.
    """
    entry = _entry(name, classes)
    folder = _folder(entry, root)
    found = entry.splits(folder)
    if not found:
        raise DataError(f"{entry.spec.title} in {folder} is incomplete: it needs {entry.spec.layout}")
    if split not in found:
        way = f". To have it, {entry.how_to_get_split[split]}" if split in entry.how_to_get_split else ""
        raise DataError(f"{entry.spec.title} in {folder} has no split {split!r}; it has {', '.join(found)}{way}")
    return SegmentationDataset(entry.spec, split, entry.pairs(folder, split), entry.relabel, transform)


def _folder(entry: _Entry, root: str | Path | None) -> Path:
    """The folder to read from: the one given, else the one found, else one that is there but incomplete."""
    spec = entry.spec
    if root is not None:
        given = absolute(root)
        if given.is_dir():
            return given
        raise DataError(f"{spec.title} is not here: {given} is no folder. To have it, {spec.how_to_get}")
    folder = locate(spec.name) or next(iter(_candidates(spec)), None)
    if folder is not None:
        return folder
    raise DataError(
        f"{spec.title} is not here: no {spec.folder}/ in {searched()}. To have it, {spec.how_to_get}, and point "
        "LCNB_DATA at the folder above it"
    )


def _entry(name: str, classes: str = "all") -> _Entry:
    if name not in _CATALOG:
        raise DataError(f"no data set is named {name!r}; there are {', '.join(_CATALOG)}")
    if classes == "covered7" and name == "voc2012":
        return _COVERED7
    if classes != "all":
        raise DataError(f"classes={classes!r} is not a choice for {name}; use 'all', or 'covered7' with voc2012")
    return _CATALOG[name]
