"""One registry: name -> data set, classes, splits, ignore index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from lcnb.datasets import layouts, streets
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


ORDER = ("train", "trainaug", "trainval", "val", "test")
_CATALOG = {
    "streets": _Entry(streets.SPEC, layouts.camvid_splits, layouts.camvid_pairs),
    "camvid": _Entry(layouts.CAMVID, layouts.camvid_splits, layouts.camvid_pairs),
    "voc2012": _Entry(layouts.VOC, layouts.voc_splits, layouts.voc_pairs, None, layouts.HOW_TO_GET_SPLIT),
    "cityscapes": _Entry(
        layouts.CITYSCAPES, layouts.cityscapes_splits, layouts.cityscapes_pairs, layouts.cityscapes_relabel()
    ),
}
_COVERED7 = _Entry(
    layouts.VOC_COVERED7,
    layouts.voc_splits,
    layouts.voc_pairs,
    layouts.relabel_covered7(),
    layouts.HOW_TO_GET_SPLIT,
)


def names() -> list[str]:
    """All data sets, whether on disk or not."""
    return list(_CATALOG)


def spec(name: str, classes: str = "all") -> DatasetSpec:
    """What is fixed about a data set.

    Raises:
        DataError: there is none of that name, or it has no such choice of classes.
    """
    return _entry(name, classes).spec


def folders(name: str) -> dict[Path, list[str]]:
    """The folders of a data set under the data roots, in their order, with the splits that are read from each.

    A data set may lie in several: a split is read from the first that has it, so a later one may have no split left.
    """
    entry, taken = _entry(name), set[str]()
    found: dict[Path, list[str]] = {}
    for folder in _candidates(entry.spec):
        if there := entry.splits(folder):
            found[folder] = [split for split in there if split not in taken]
            taken.update(there)
    return found


def locate(name: str, split: str | None = None) -> Path | None:
    """The folder that a split is read from, the first that has it; without a split the first that has any; or None."""
    return next((folder for folder, found in folders(name).items() if split is None or split in found), None)


def _candidates(spec: DatasetSpec) -> list[Path]:
    """The folders that could hold a data set, in order of preference; only those that exist."""
    found = []
    for root in data_roots():
        found.append(root / spec.folder)
        if spec.name == "voc2012" and (root / "VOCdevkit" / "VOC2012").is_dir():  # as the official archive unpacks
            found.append(root)
    return [folder for folder in found if folder.is_dir()]


def splits(name: str) -> list[str]:
    """The splits that exist on disk, in one folder or several, train first; empty when the data set is not there."""
    found = [split for own in folders(name).values() for split in own]
    return sorted(found, key=lambda split: (ORDER.index(split) if split in ORDER else len(ORDER), split))


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
        root: the data set's own folder; by default `lcnb.paths.data_roots()` are searched, and the first folder that
            has the split is read, whatever other splits it has.

    Raises:
        DataError: unknown name, folder or split not found (it says where it looked and how to get the data), a
            file missing.
    """
    entry = _entry(name, classes)
    found = _found(entry, root)
    folder = next((folder for folder, own in found.items() if split in own), None)
    if folder is not None:
        return SegmentationDataset(entry.spec, split, entry.pairs(folder, split), entry.relabel, transform)
    here = f"{entry.spec.title} in {' and '.join(map(str, found))}"
    there = [name for own in found.values() for name in own]
    if not there:
        raise DataError(f"{here} is incomplete: it needs {entry.spec.layout}")
    way = f". To have it, {entry.how_to_get_split[split]}" if split in entry.how_to_get_split else ""
    raise DataError(f"{here} has no split {split!r}; it has {', '.join(there)}{way}")


def _found(entry: _Entry, root: str | Path | None) -> dict[Path, list[str]]:
    """The folders to read from, with their splits: the one given, else those found, else those that are incomplete."""
    spec = entry.spec
    if root is not None:
        given = absolute(root)
        if given.is_dir():
            return {given: entry.splits(given)}
        raise DataError(f"{spec.title} is not here: {given} is no folder. To have it, {spec.how_to_get}")
    if found := folders(spec.name) or {folder: [] for folder in _candidates(spec)}:
        return found
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
