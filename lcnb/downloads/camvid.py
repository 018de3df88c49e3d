"""CamVid, file by file, each held against its published checksum.

Files come from one commit of a public repository, so neither the addresses nor what they hold can change; a call that
was stopped goes on with the files it lacks. The repository as one zip would be a single request, but GitHub makes it
anew each time: no length, no ranges, so no going on. It is taken where somebody put it by hand, which spares a class
behind one address 1,402 requests each.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from lcnb.downloads import checksums
from lcnb.downloads.archive import DAMAGED
from lcnb.downloads.disk import need, on_disk, remove_if_empty, settle
from lcnb.downloads.many import fetch_all
from lcnb.downloads.places import Place
from lcnb.downloads.report import Report
from lcnb.downloads.sources import CAMVID_LIST, CAMVID_REPOSITORY, COMMIT, SOURCES
from lcnb.downloads.transfer import Session, Want
from lcnb.errors import DownloadError
from lcnb.paths import written_whole

BASE = f"https://raw.githubusercontent.com/{CAMVID_REPOSITORY}/{COMMIT}/CamVid"
MOST = 4_000_000
"""Bytes of one file; the largest of train and val has 0.35 million."""


def published() -> dict[str, str]:
    """Name -> SHA-256 of all 1,402 files."""
    return checksums.read(CAMVID_LIST)


def verify(place: Place, session: Session) -> Report:
    """Hold the folder against the list."""
    damage = checksums.compare(place.folder, published(), session.progress)
    return Report(damage.ok, f"{place.folder}: {damage}")


def obtain(place: Place, session: Session, repair: bool = False) -> None:
    """Make the folder, whole; or add what an existing one lacks, and, with `repair`, replace what differs.

    Raises:
        DownloadError: a file cannot be had, or the folder has other files of these names.
    """
    sums = published()
    lacking = _lacking(place, session, sums, repair)
    if not lacking:
        session.say(f"CamVid is already in {place.folder}: all {len(sums):,} files match their published checksums")
        return
    anew = place.empty
    with place.held():
        if anew and not place.empty:  # another call has ended meanwhile
            lacking = _lacking(place, session, sums, repair)
        stage = place.stage
        _from_zips(place, session, {n: sums[n] for n in _absent(stage, lacking, sums)})
        left = _absent(stage, lacking, sums)
        need(place.root, SOURCES["camvid"].archives[0].about * len(left) // len(sums), "CamVid")
        otherwise = f"fetch {SOURCES['camvid'].archives[0].url} by hand into {place.work} and run it again"
        wants = [Want(session.url(f"{BASE}/{n}", n), None, MOST, f"sha256:{sums[n]}", otherwise) for n in left]
        if wants:
            session.say(f"fetching {len(wants):,} of {len(sums):,} files of CamVid")
            fetch_all(session, "CamVid", [(want, stage / name) for want, name in zip(wants, left, strict=True)])
        if lacking:
            settle()
            _put(place, lacking)
    session.say(f"CamVid is in {place.folder}: all {len(sums):,} files match their published checksums")


def _lacking(place: Place, session: Session, sums: Mapping[str, str], repair: bool) -> list[str]:
    """What to fetch, in the order of the list."""
    if place.empty:
        return list(sums)
    damage = checksums.compare(place.folder, sums, session.progress)
    if len(damage.missing) == damage.total:
        raise DownloadError(f"{place.folder} holds something else than CamVid; move it away, or give --to DIR")
    if damage.different and not repair:
        raise DownloadError(
            f"{place.folder}: {damage}; nothing was changed. `lcnb data camvid --repair` replaces the files that differ"
        )
    lacking = {*damage.different, *damage.missing}
    return [name for name in sums if name in lacking]


def _absent(stage: Path, names: Iterable[str], sums: Mapping[str, str]) -> list[str]:
    """What an earlier call has not fetched yet."""
    wanted = {name: sums[name] for name in names}
    damage = checksums.compare(stage, wanted, checksums.silent)
    for name in damage.different:
        (stage / name).unlink()
    absent = {*damage.missing, *damage.different}
    return [name for name in wanted if name in absent]


def _from_zips(place: Place, session: Session, sums: Mapping[str, str]) -> None:
    """Take what is asked for, and nothing else, from zips of the repository that somebody put there."""
    for path in sorted(place.work.glob("*.zip")):
        try:
            with zipfile.ZipFile(path) as archive:
                found = {n.rpartition("CamVid/")[2]: n for n in archive.namelist() if "CamVid/" in n}
                taken = [_take(archive, found[name], place.stage / name, sums[name]) for name in sums if name in found]
        except (*DAMAGED, NotImplementedError, RuntimeError) as error:
            raise DownloadError(f"{path} is damaged ({error}); remove it, or fetch it again") from None
        session.say(f"took {sum(taken):,} files of CamVid from {path}")


def _take(archive: zipfile.ZipFile, member: str, target: Path, wanted: str) -> bool:
    """Write one file out if it is the published one; the checksum decides, not the zip."""
    if archive.getinfo(member).file_size > MOST:
        return False
    with on_disk(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(member) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file)
    if checksums.digest(target) == wanted:
        return True
    target.unlink()
    return False


def _lists(folder: Path, names: Iterable[str]) -> None:
    """Write train.txt and its like where they are missing: the pictures in order, as SegNet's authors wrote theirs."""
    images = [name.split("/") for name in sorted(names) if "annot/" not in name]
    for split in sorted({split for split, _ in images}):
        path, prefix = folder / f"{split}.txt", f"/SegNet/CamVid/{split}"
        if not path.exists():
            with written_whole(path) as temporary:
                lines = [f"{prefix}/{image} {prefix}annot/{image}\n" for where, image in images if where == split]
                temporary.write_text("".join(lines), encoding="utf-8", newline="\n")


def _put(place: Place, names: Iterable[str]) -> None:
    """Give the folder its name; to one that is there, the files one by one, each whole."""
    with on_disk(place.folder):
        if place.empty:
            _lists(place.stage, names)
            remove_if_empty(place.folder)
            os.rename(place.stage, place.folder)
            return
        for name in names:
            (place.folder / name).parent.mkdir(exist_ok=True)
            os.replace(place.stage / name, place.folder / name)
        _lists(place.folder, published())
        shutil.rmtree(place.stage)
