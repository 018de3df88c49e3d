"""SBD's masks as the split `trainaug` of PASCAL VOC 2012.

Shape letters: H, W pixels.

The archive holds a MATLAB file for each of 11,355 photographs, all of them VOC's. Those in neither VOC's train nor its
val become index PNGs in `SegmentationClassAug/`; with VOC's own train they are the 10,582 images of the field's
`trainaug`. (SBD's authors published a list without VOC's val, train_noval.txt, at an address that is gone; nothing of
it is needed.)
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lcnb.downloads import checksums, parts
from lcnb.downloads.archive import Bounds, unpack
from lcnb.downloads.disk import need, on_disk, settle
from lcnb.downloads.places import Place
from lcnb.downloads.report import Report
from lcnb.downloads.sources import Archive, Source
from lcnb.downloads.transfer import Session
from lcnb.errors import DownloadError
from lcnb.paths import written_whole

MASKS = "SegmentationClassAug"
LABELS = 21
SMALL = 400_000_000
"""Bytes that its MATLAB files and the masks take, together and roughly."""


def obtain(source: Source, place: Place, session: Session) -> None:
    """Write the masks and the list beside VOC.

    Raises:
        DownloadError: VOC or scipy is not there, the archive cannot be had, or masks lie there already.
    """
    voc, archive = place.folder, source.archives[0]
    train, val = (_names(_list(voc, split)) for split in ("train", "val"))
    masks = voc / MASKS
    if parts.noted(masks, archive).exists():
        if not _list(voc, "trainaug").exists():  # stopped between the two
            _write_list(voc, train, [path.stem for path in masks.glob("*.png")])
        session.say(f"the masks of SBD are already in {masks}")
        session.say(verify(source, place, session).insist())
        return
    for path in (masks, _list(voc, "trainaug")):
        if path.exists():
            raise DownloadError(f"{path} is there and was not made by this command; move it away to have it made")
    loadmat = _loadmat()
    with place.held():
        if masks.exists():
            raise DownloadError(
                f"{masks} has been written by another call meanwhile; run this again to have it checked"
            )
        need(place.root, archive.about - parts.here(place, archive) + SMALL, source.title)
        path = parts.get(archive, place, session)
        parts.fresh(place.stage)
        bounds = Bounds(parts.GROWTH * max(archive.about, path.stat().st_size), parts.FILES)
        unpack(path, place.stage, bounds, session.progress, _wanted)
        stems = _write_masks(place, archive, session, loadmat, exclude={*train, *val})
        settle()
        with on_disk(masks):
            os.rename(_staged(voc), masks)
        _write_list(voc, train, stems)
        shutil.rmtree(place.stage)
        parts.drop(place, [archive])
    session.say(
        f"{len(stems):,} masks of SBD are in {masks}, and the split trainaug has {len(stems) + len(train):,} images"
    )


def verify(source: Source, place: Place, session: Session) -> Report:
    """Hold the masks against the checksums noted when they were written, and count the split."""
    from lcnb.datasets import load_dataset

    masks, wanted = place.folder / MASKS, source.pairs["trainaug"]
    path = parts.noted(masks, source.archives[0])
    if not _list(place.folder, "trainaug").exists():
        return Report(False, f"{place.folder} has no split trainaug; get it with `lcnb data sbd`")
    found = len(load_dataset("voc2012", "trainaug", root=place.folder))
    count = f"trainaug has {found:,} of {wanted:,} labelled images"
    if not path.exists():
        said = f"{masks}: made by somebody else, so no checksums of its files are known; {count}"
        return Report(found == wanted, said)
    damage = checksums.compare(masks, checksums.read(path), session.progress)
    return Report(damage.ok and found == wanted, f"{masks}: since they were written, {damage}; {count}")


def _list(voc: Path, split: str) -> Path:
    return voc / "ImageSets" / "Segmentation" / f"{split}.txt"


def _names(path: Path) -> list[str]:
    from lcnb.datasets.pairing import read_list

    if not path.is_file():
        raise DownloadError(
            f"{path} is missing: the masks of SBD go beside PASCAL VOC 2012; get that first, with `lcnb data voc2012`"
        )
    return [line.split()[0] for line in read_list(path)]


def _loadmat() -> Callable[..., dict[str, Any]]:
    """Asked for before a gigabyte is fetched."""
    try:
        from scipy.io import loadmat
    except ImportError:
        raise DownloadError(
            "SBD's masks are MATLAB files, which scipy reads; install it: `pip install scipy`"
        ) from None
    return loadmat


def _wanted(name: str) -> bool:
    return name.endswith((".mat", "/train.txt", "/val.txt")) and ("/dataset/cls/" in name or name.endswith(".txt"))


def _staged(voc: Path) -> Path:
    return voc / f"{MASKS}.part"


def _write_masks(
    place: Place, archive: Archive, session: Session, loadmat: Callable[..., dict[str, Any]], exclude: set[str]
) -> list[str]:
    """All masks into a folder of another name, with their checksums; the stems."""
    voc, staged = place.folder, _staged(place.folder)
    parts.fresh(staged)
    files = sorted(path for path in place.stage.glob("*/dataset/cls/*.mat") if path.stem not in exclude)
    if not files:
        raise DownloadError(f"{place.work} holds no SBD: no dataset/cls/*.mat was in the archive")
    sums = {}
    for number, path in enumerate(files, start=1):
        mask = read_mat(path, loadmat)
        _check_size(voc / "JPEGImages" / f"{path.stem}.jpg", mask)
        target = staged / f"{path.stem}.png"
        with on_disk(target):
            staged.mkdir(exist_ok=True)
            Image.fromarray(mask).save(target)
        sums[target.name] = checksums.digest(target)
        session.progress("writing masks", number, len(files), "files")
    checksums.write(parts.noted(staged, archive), sums)
    return [path.stem for path in files]


def read_mat(path: Path, loadmat: Callable[..., dict[str, Any]]) -> np.ndarray:
    """(H, W) uint8 of VOC's labels, 0 to 20.

    Raises:
        DownloadError: it is no MATLAB file, or none of SBD's.
    """
    try:
        mask = np.asarray(loadmat(path, variable_names=["GTcls"])["GTcls"][0]["Segmentation"][0])
    except Exception as error:  # scipy raises many kinds for a damaged file
        raise DownloadError(f"{path} is no mask of SBD ({error}); remove the archive and fetch it again") from None
    if mask.ndim != 2 or mask.dtype != np.uint8 or mask.size == 0 or mask.max() >= LABELS:
        raise DownloadError(f"{path} holds no mask of {LABELS} labels; remove the archive and fetch it again")
    return mask


def _check_size(image: Path, mask: np.ndarray) -> None:
    """The photograph has to be there, and of the size of its mask."""
    if not image.is_file():
        raise DownloadError(f"{image} is missing: this PASCAL VOC 2012 is not whole; get it with `lcnb data voc2012`")
    with Image.open(image, formats=["JPEG"]) as opened:
        if opened.size != mask.shape[::-1]:
            raise DownloadError(f"{image} is not of the size of its mask in SBD; get `lcnb data voc2012` again")


def _write_list(voc: Path, train: list[str], stems: list[str]) -> None:
    with on_disk(_list(voc, "trainaug")), written_whole(_list(voc, "trainaug")) as path:
        path.write_text("".join(f"{stem}\n" for stem in sorted({*train, *stems})), encoding="utf-8")
