"""Data sets assembled in a work folder, from files or archives, then moved into place; SBD's masks go into VOC 2012.

`.lcnb-PART.sha256` beside the unpacked files holds their checksums: damage can be detected later even where no
checksums of single files are published.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from lcnb.datasets import load_dataset, locate
from lcnb.datasets.download import sources
from lcnb.datasets.download.fetch import Client, Want
from lcnb.datasets.download.files import (
    DAMAGED,
    Damage,
    compare,
    digest,
    mismatch,
    need,
    on_disk,
    read_sums,
    unpack,
    write_sums,
)  # fmt: skip
from lcnb.datasets.download.sources import SOURCES, Archive
from lcnb.datasets.layouts import cityscapes_splits, read_list, voc_root, voc_splits
from lcnb.errors import DownloadError
from lcnb.locking import locked
from lcnb.paths import absolute, data_roots, given_roots, written_whole

BASE = f"https://raw.githubusercontent.com/{sources.CAMVID_REPOSITORY}/{sources.COMMIT}/CamVid"
MOST = 4_000_000
"""Upper bound in bytes of one file of CamVid; the largest of train and val has 0.35 million."""
GROWTH = 3
"""An archive that would grow by more than this factor is refused; images hardly grow when they are unpacked."""
MASKS = "SegmentationClassAug"
LABELS = 21
SMALL = 400_000_000
"""Approximate bytes of SBD's MATLAB files and masks together."""


@dataclass(frozen=True)
class Place:
    """The folders of one data set: a data root, the data set's name, and its folder."""

    root: Path
    name: str
    folder: Path

    @property
    def work(self) -> Path:
        """Unfinished work, and archives put there by hand."""
        return self.root / "downloads" / self.name

    @property
    def fetched(self) -> Path:
        """Fetched archives; removed once their contents are in place."""
        return self.work / "fetched"

    @property
    def stage(self) -> Path:
        """Where the data set is assembled; empty after a successful call."""
        return self.work / "unpacked"

    @property
    def empty(self) -> bool:
        """Whether the folder is missing or empty."""
        if os.path.lexists(self.folder) and not self.folder.is_dir():
            raise DownloadError(f"{self.folder} is no folder; move it away, or give --to DIR")
        return not self.folder.exists() or next(self.folder.iterdir(), None) is None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Lock the place against other calls, and remove empty folders afterwards."""
        try:
            with on_disk(self.work):
                self.work.mkdir(parents=True, exist_ok=True)
            with locked(self.work, f"lcnb data {self.name}", instead="give --to another folder"):
                yield
        finally:
            below = sorted((p for p in self.stage.rglob("*") if p.is_dir()), reverse=True)
            for folder in (*below, self.stage, self.fetched, self.work, self.work.parent):
                with contextlib.suppress(OSError):
                    folder.rmdir()


def place(name: str, to: str | Path | None = None) -> Place:
    """Returns where `lcnb data NAME` works: the first folder that holds the data set, else the first data root.

    Args:
        name: name of the data set.
        to: data root; by default, those of `lcnb.paths.data_roots()` are searched, and a new data set goes to the
            first folder of `$LCNB_DATA`, or to `data/` in the working directory.
    """
    if name == "sbd":  # its masks go beside VOC's
        beside = place("voc2012", to)
        return Place(beside.root, name, voc_root(beside.folder))
    found = None if to is not None else locate(name)
    if found is not None:  # VOCdevkit/ may lie in the data root itself
        return Place(found if found in data_roots() else found.parent, name, found)
    root = absolute(to if to is not None else next(iter(given_roots()), "data"))
    if root.exists() and not root.is_dir():
        raise DownloadError(f"{root} is no folder; give --to DIR")
    return Place(root, name, root / name)


def there(folder: Path, archive: Archive) -> bool:
    """Returns whether a data set's folder has this part."""
    return any((folder / mark).exists() for mark in archive.marks)


def noted(folder: Path, archive: Archive) -> Path:
    """Returns the path of the checksums of the unpacked files."""
    return folder / f".lcnb-{archive.part}.sha256"


def camvid(place: Place, client: Client, repair: bool) -> None:
    """Install CamVid file by file, in 1,402 requests; a zip of the repository in the work folder spares them.

    (The zip is not fetched: GitHub generates it for each request, without a length or ranges, so it cannot be resumed.)
    """
    sums, stage = read_sums(sources.CAMVID_LIST), place.stage
    damage = Damage(len(sums), [*sums], []) if place.empty else compare(place.folder, sums)
    if not place.empty and len(damage.missing) == damage.total:
        raise DownloadError(f"{place.folder} holds something else than CamVid; move it away, or give --to DIR")
    if damage.different and not repair:
        raise DownloadError(
            f"{place.folder}: {damage}; nothing was changed. `lcnb data camvid --repair` replaces the files that differ"
        )
    lacking = {name: sums[name] for name in sums if name in {*damage.missing, *damage.different}}
    for path in sorted(place.work.glob("*.zip")):
        _take(path, stage, lacking)
    staged = compare(stage, lacking)  # from a zip or an earlier call
    left = [*staged.missing, *staged.different]
    archive = SOURCES["camvid"].archives[0]
    need(place.root, archive.about * len(left) // len(sums), "CamVid")
    otherwise = f"fetch {archive.url} by hand into {place.work} and run it again"
    wants = [(Want(client.url(f"{BASE}/{n}", n), None, MOST, f"sha256:{sums[n]}", otherwise), stage / n) for n in left]
    print(f"fetching {len(wants):,} of {len(sums):,} files of CamVid", flush=True)
    client.fetch("CamVid", wants)
    for part in stage.rglob("*.part"):
        part.unlink()
    _settle()
    with on_disk(place.folder):
        if place.empty:
            _write_lists(stage, lacking)
            _rename(stage, place.folder)
            return
        for name in lacking:
            (place.folder / name).parent.mkdir(exist_ok=True)
            os.replace(stage / name, place.folder / name)
        _write_lists(place.folder, sums)


def _take(path: Path, stage: Path, sums: dict[str, str]) -> None:
    """Unpack the listed files, and nothing else, from a zip of the repository; their checksums decide."""
    taken = 0
    try:
        with on_disk(stage), zipfile.ZipFile(path) as archive:
            found = {m.filename.rpartition("CamVid/")[2]: m for m in archive.infolist() if "CamVid/" in m.filename}
            for name, wanted in sums.items():
                if name in found and found[name].file_size <= MOST:
                    (stage / name).parent.mkdir(parents=True, exist_ok=True)
                    (stage / name).write_bytes(archive.read(found[name]))
                    taken += digest(stage / name) == wanted
    except DAMAGED as error:
        raise DownloadError(f"{path} is damaged ({error}); remove it, or fetch it again") from None
    print(f"took {taken:,} files of CamVid from {path}", flush=True)


def _write_lists(folder: Path, names: dict[str, str]) -> None:
    """Write missing lists such as train.txt: the images in order, in the format of SegNet's authors."""
    images = [name.split("/") for name in sorted(names) if "annot/" not in name]
    for split in {split for split, _ in images}:
        prefix = f"/SegNet/CamVid/{split}"
        lines = [f"{prefix}/{image} {prefix}annot/{image}\n" for where, image in images if where == split]
        if not (folder / f"{split}.txt").exists():
            with written_whole(folder / f"{split}.txt") as temporary:
                temporary.write_text("".join(lines), encoding="utf-8", newline="\n")


def archives(place: Place, client: Client) -> None:
    """Install a data set published as archives, or the parts that its folder lacks."""
    source = SOURCES[place.name]
    missing = [archive for archive in source.archives if not there(place.folder, archive)]
    if not missing:
        raise DownloadError(f"{verify(place)[1]}; nothing was changed. For a whole one elsewhere, give --to DIR")
    if not place.empty and len(missing) == len(source.archives):
        raise DownloadError(f"{place.folder} holds something else than {source.title}; move it away, or give --to DIR")
    need(place.root, sum(a.about + _to_come(place, a) for a in missing), source.title)
    gained = [(archive, _archive(archive, place, client)) for archive in missing]
    shutil.rmtree(place.stage, ignore_errors=True)  # of an interrupted call
    whole = place.stage / "whole"
    for archive, path in gained:
        part = place.stage / archive.part
        sums = unpack(path, part, GROWTH * max(archive.about, path.stat().st_size))
        if not there(part, archive):
            raise DownloadError(f"{path} holds no {archive.marks[0]}; it is not what was published")
        write_sums(noted(part, archive), {name: sum_ for name, sum_ in sums.items() if "/" in name})
        _merge(part, whole)
    _settle()
    with on_disk(place.folder):
        if place.empty:
            _rename(whole, place.folder)
        else:
            _merge(whole, place.folder)
    _clear(place, missing)


def _to_come(place: Place, archive: Archive) -> int:
    """Returns the approximate bytes of an archive that are not on disk yet."""
    names = place.work / archive.file, place.fetched / archive.file, place.fetched / f"{archive.file}.part"
    return max(0, archive.about - next((path.stat().st_size for path in names if path.exists()), 0))


def _archive(archive: Archive, place: Place, client: Client) -> Path:
    """Returns the verified archive: the one put there by hand, else the fetched one."""
    by_hand = place.work / archive.file
    path = by_hand if by_hand.exists() else place.fetched / archive.file
    if path.exists():
        size = path.stat().st_size
        short = f"{size:,} bytes instead of {archive.size:,}" if archive.size and size != archive.size else ""
        if wrong := short or mismatch(path, archive.digest):
            raise DownloadError(f"{path} is not the published file ({wrong}); remove it and run the same command again")
        print(f"took {path}" + ("" if archive.digest else " (no checksum of it is published)"), flush=True)
        return path
    if archive.login:
        raise DownloadError(f"{archive.file} is not in {place.work}; log in at {archive.url} and put it there")
    print(f"fetching {archive.file} ({client.mirror or archive.url})", flush=True)
    otherwise = f"fetch {archive.url} by hand into {place.work} and run it again"
    most = archive.size or GROWTH * archive.about
    want = Want(client.url(archive.url, archive.file), archive.size, most, archive.digest, otherwise)
    client.fetch(archive.file, [(want, path)])
    return path


def _merge(part: Path, whole: Path) -> None:
    """Move the entries of one folder into another; a file that exists there (README is in both zips) stays."""
    with on_disk(whole):
        whole.mkdir(parents=True, exist_ok=True)
        for path in sorted(part.iterdir(), key=lambda p: (p.is_dir(), p.name)):
            target = whole / path.name
            if path.is_dir() and target.exists():
                raise DownloadError(f"{target} is in the way; move it away and run the same command again")
            if not target.exists() or path.name.startswith(".lcnb-"):
                os.replace(path, target)


def _rename(made: Path, folder: Path) -> None:
    """Rename a folder; the new name may be that of an empty folder."""
    if folder.exists():
        folder.rmdir()
    os.rename(made, folder)


def _settle() -> None:
    """Flush the system's buffers before a folder gets its name: a power cut then loses no file."""
    if hasattr(os, "sync"):
        os.sync()


def _clear(place: Place, archives: list[Archive] | tuple[Archive, ...]) -> None:
    """Remove what was fetched and unpacked, now that it is in place. Archives put there by hand stay."""
    shutil.rmtree(place.stage, ignore_errors=True)
    for archive in archives:
        (place.fetched / archive.file).unlink(missing_ok=True)


def sbd(place: Place, client: Client) -> None:
    """Install SBD's masks as the split `trainaug` of PASCAL VOC 2012.

    The archive holds a MATLAB file for each of 11,355 photographs of VOC. Those in neither train nor val of VOC become
    index PNGs in `SegmentationClassAug/`; with VOC's own train they are the 10,582 images known as `trainaug`.

    Raises:
        DownloadError: VOC or scipy is missing, the archive cannot be fetched, or other masks exist already.
    """
    source, masks, lists = SOURCES["sbd"], place.folder / MASKS, place.folder / "ImageSets" / "Segmentation"
    archive = source.archives[0]
    for split in ("train", "val"):
        if not (lists / f"{split}.txt").is_file():
            raise DownloadError(
                f"{lists / split}.txt is missing: the masks of SBD go beside PASCAL VOC 2012; get that first, with "
                "`lcnb data voc2012`"
            )
    train, val = ([line.split()[0] for line in read_list(lists / f"{split}.txt")] for split in ("train", "val"))
    if not noted(masks, archive).exists():
        for path in (masks, lists / "trainaug.txt"):
            if path.exists():
                raise DownloadError(f"{path} is there and was not made by this command; move it away to have it made")
        try:
            import scipy.io  # noqa: F401  # checked before a gigabyte is fetched
        except ImportError:
            raise DownloadError(
                "SBD's masks are MATLAB files, which scipy reads; install it: `pip install scipy`"
            ) from None
        need(place.root, _to_come(place, archive) + SMALL, source.title)
        path = _archive(archive, place, client)
        shutil.rmtree(place.stage, ignore_errors=True)
        unpack(path, place.stage, GROWTH * max(archive.about, path.stat().st_size), lambda name: name.endswith(".mat"))
        _write_masks(place, archive, {*train, *val})
        _settle()
        with on_disk(masks):
            os.rename(place.stage / MASKS, masks)
    elif (lists / "trainaug.txt").exists():
        raise DownloadError(f"{verify(place)[1]}; nothing was changed. For a whole one elsewhere, give --to DIR")
    stems = sorted({*train, *(path.stem for path in masks.glob("*.png"))})
    with on_disk(lists), written_whole(lists / "trainaug.txt") as temporary:
        temporary.write_text("".join(f"{stem}\n" for stem in stems), encoding="utf-8")
    _clear(place, source.archives)


def _write_masks(place: Place, archive: Archive, exclude: set[str]) -> None:
    """Write all masks to the stage, as (H, W) uint8 PNGs of VOC's labels 0 to 20, with their checksums."""
    from scipy.io import loadmat

    files = sorted(p for p in place.stage.glob("*/dataset/cls/*.mat") if p.stem not in exclude)
    if not files:
        raise DownloadError(f"{place.work} holds no SBD: no dataset/cls/*.mat was in the archive")
    sums, staged = {}, place.stage / MASKS
    staged.mkdir()
    for path in files:
        photo = place.folder / "JPEGImages" / f"{path.stem}.jpg"
        try:
            mask = np.asarray(loadmat(path, variable_names=["GTcls"])["GTcls"][0]["Segmentation"][0])
        except Exception as error:  # scipy raises many kinds for a damaged file
            raise DownloadError(f"{path} is no mask of SBD ({error}); remove the archive and fetch it again") from None
        if mask.ndim != 2 or mask.dtype != np.uint8 or mask.size == 0 or mask.max() >= LABELS:
            raise DownloadError(f"{path} holds no mask of {LABELS} labels; remove the archive and fetch it again")
        if not photo.is_file():
            raise DownloadError(
                f"{photo} is missing: this PASCAL VOC 2012 is not whole; get it with `lcnb data voc2012`"
            )
        with Image.open(photo, formats=["JPEG"]) as opened:
            if opened.size != mask.shape[::-1]:
                raise DownloadError(f"{photo} is not of the size of its mask in SBD; get `lcnb data voc2012` again")
        with on_disk(staged):
            Image.fromarray(mask).save(staged / f"{path.stem}.png")
        sums[f"{path.stem}.png"] = digest(staged / f"{path.stem}.png")
    write_sums(noted(staged, archive), sums)


def verify(place: Place) -> tuple[bool, str]:
    """Compare a data set on disk with published checksums, or with those noted when it was unpacked.

    Returns:
        whether everything matches, and a sentence with the counts.

    Raises:
        DownloadError: the data set is not there.
        DataError: a list names a missing file.
    """
    source = SOURCES[place.name]
    if not place.folder.is_dir():
        raise DownloadError(
            f"{source.title} is not here: there is no {place.folder}; get it with `lcnb data {place.name}`"
        )
    if place.name == "camvid":
        damage = compare(place.folder, read_sums(sources.CAMVID_LIST))
        return not damage.missing + damage.different, f"{place.folder}: {damage}"
    texts, fine = [], True
    inside = place.folder / MASKS if place.name == "sbd" else place.folder
    for archive in source.archives:
        if there(place.folder, archive):
            said = f"{archive.part} was not unpacked by this command, so no checksums of its files are known"
            if noted(inside, archive).exists():
                damage = compare(inside, read_sums(noted(inside, archive)))
                fine &= not damage.missing + damage.different
                said = f"{archive.part}, since it was unpacked: {damage}"
            texts.append(said)
    name, splits = ("cityscapes", cityscapes_splits) if place.name == "cityscapes" else ("voc2012", voc_splits)
    for split, wanted in source.pairs.items():
        found = len(load_dataset(name, split, root=place.folder)) if split in splits(place.folder) else 0
        fine &= found == wanted
        texts.append(f"{split} has {found:,} of {wanted:,} labelled images")
    return fine, f"{place.folder}: {'; '.join(texts)}"
