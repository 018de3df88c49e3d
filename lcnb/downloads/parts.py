"""A data set that is published as archives: fetched or taken as they lie there, checked, unpacked aside, put in place.

Next to what was unpacked stays `.lcnb-PART.sha256`, the checksums of its files, so that damage can be told later even
where nobody publishes checksums of single files.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from lcnb.downloads import checksums
from lcnb.downloads.archive import Bounds, unpack
from lcnb.downloads.disk import need, on_disk, remove_if_empty, settle
from lcnb.downloads.places import Place
from lcnb.downloads.report import Report
from lcnb.downloads.sources import Archive, Source
from lcnb.downloads.transfer import Session, Want, fetch, mismatch
from lcnb.errors import DownloadError

GROWTH = 3
"""An archive of pictures hardly grows when it is unpacked; what would grow more is refused."""
FILES = 400_000


def there(folder: Path, archive: Archive) -> bool:
    """Whether a data set's folder has this part."""
    return any((folder / mark).exists() for mark in archive.marks)


def obtain(source: Source, place: Place, session: Session, chosen: Sequence[Archive]) -> None:
    """Make the folder with the chosen parts, or add those that it lacks.

    Raises:
        DownloadError: a part cannot be had or put in place, or what is there is damaged.
    """
    missing = [archive for archive in chosen if not there(place.folder, archive)]
    if not missing:
        session.say(f"{source.title} is already in {place.folder}")
        session.say(verify(source, place, session).insist())
        return
    if not place.empty and not any(there(place.folder, a) for a in source.archives):
        raise DownloadError(f"{place.folder} holds something else than {source.title}; move it away, or give --to DIR")
    with place.held():
        missing = [archive for archive in missing if not there(place.folder, archive)]  # another call may have ended
        room = sum(a.about for a in missing) + sum(max(0, a.about - here(place, a)) for a in missing)
        need(place.root, room, source.title)
        gained = [(archive, get(archive, place, session)) for archive in missing]
        fresh(place.stage)
        whole = place.stage / "whole"
        for archive, path in gained:
            _unpack(archive, path, place.stage / archive.part, session)
            _merge(place.stage / archive.part, whole)
        if missing:
            settle()
            _put(whole, place)
            fresh(place.stage)
        drop(place, missing)
    session.say(f"{source.title} is in {place.folder}")


def get(archive: Archive, place: Place, session: Session) -> Path:
    """The archive, checked. One that somebody put there is taken before one that was fetched.

    Raises:
        DownloadError: it cannot be had, or the one that lies there is another.
    """
    by_hand = place.work / archive.file
    path = by_hand if by_hand.exists() else place.fetched / archive.file
    if path.exists():
        _check(archive, path, session)
        session.say(f"took {path}" + ("" if archive.digest else " (no checksum of it is published)"))
        return path
    if archive.login:
        raise DownloadError(f"{archive.file} is not in {place.work}; log in at {archive.url} and put it there")
    session.say(f"fetching {archive.file} ({archive.url if session.mirror is None else session.mirror})")
    with on_disk(place.fetched):
        place.fetched.mkdir(exist_ok=True)
    most = archive.size or GROWTH * archive.about
    otherwise = f"fetch {archive.url} by hand into {place.work} and run it again"
    url = session.url(archive.url, archive.file)
    fetch(session, Want(url, archive.size, most, archive.digest, otherwise), path)
    return path


def _check(archive: Archive, path: Path, session: Session) -> None:
    """Hold an archive that lies there against what is published about it."""
    size, wrong = path.stat().st_size, None
    if size != (archive.size or size):
        wrong = f"{size:,} bytes instead of {archive.size:,}"
    if wrong := wrong or mismatch(path, archive.digest, session.progress):
        raise DownloadError(f"{path} is not the published file ({wrong}); remove it and run the same command again")


def drop(place: Place, archives: Sequence[Archive]) -> None:
    """Remove what was fetched, now that what it held is in place. What was put there by hand stays."""
    for archive in archives:
        (place.fetched / archive.file).unlink(missing_ok=True)


def noted(folder: Path, archive: Archive) -> Path:
    """The checksums of what was unpacked."""
    return folder / f".lcnb-{archive.part}.sha256"


def verify(source: Source, place: Place, session: Session) -> Report:
    """Hold what was unpacked here against the checksums noted then, and count the labelled images."""
    texts, fine = [], True
    for archive in source.archives:
        if there(place.folder, archive):
            path = noted(place.folder, archive)
            if path.exists():
                damage = checksums.compare(place.folder, checksums.read(path), session.progress)
                fine &= damage.ok
                said = f"{archive.part}, since it was unpacked: {damage}"
            else:
                said = f"{archive.part} was unpacked by somebody else, so no checksums of its files are known"
            texts.append(said)
    for split, wanted in source.pairs.items():
        found = _pairs(source, place.folder, split)
        fine &= found == wanted
        texts.append(f"{split} has {found:,} of {wanted:,} labelled images")
    return Report(fine, f"{place.folder}: {'; '.join(texts) or 'nothing of it is there'}")


def _pairs(source: Source, folder: Path, split: str) -> int:
    """Labelled images of a split; 0 where it is not there.

    Raises:
        DataError: a list names a file that is missing.
    """
    from lcnb.datasets import cityscapes, load_dataset, voc

    found = {"voc2012": voc, "cityscapes": cityscapes}[source.name].splits(folder)
    return len(load_dataset(source.name, split, root=folder)) if split in found else 0


def here(place: Place, archive: Archive) -> int:
    """Bytes of an archive that are on disk already."""
    names = place.work / archive.file, place.fetched / archive.file, place.fetched / f"{archive.file}.part"
    return next((path.stat().st_size for path in names if path.exists()), 0)


def fresh(stage: Path) -> None:
    """What an interrupted call unpacked is worth seconds: it goes."""
    if stage.exists():
        shutil.rmtree(stage)


def _unpack(archive: Archive, path: Path, into: Path, session: Session) -> None:
    sums = unpack(path, into, Bounds(GROWTH * max(archive.about, path.stat().st_size), FILES), session.progress)
    if not there(into, archive):
        raise DownloadError(f"{path} holds no {archive.marks[0]}; it is not what was published")
    loose = {name for name in sums if "/" not in name}  # README and the like, which another part may have too
    checksums.write(noted(into, archive), {name: sums[name] for name in sums if name not in loose})


def _merge(part: Path, whole: Path) -> None:
    """Move the top of one folder into another; a file that is there already (README of both zips) stays."""
    with on_disk(whole):
        whole.mkdir(parents=True, exist_ok=True)
        for path in sorted(part.iterdir(), key=lambda p: (p.is_dir(), p.name)):
            target = whole / path.name
            if path.is_dir() and target.exists():
                raise DownloadError(f"{target} is in the way; move it away and run the same command again")
            if not target.exists() or path.name.startswith(".lcnb-"):
                os.replace(path, target)


def _put(whole: Path, place: Place) -> None:
    with on_disk(place.folder):
        if place.empty:
            remove_if_empty(place.folder)
            os.rename(whole, place.folder)
        else:
            _merge(whole, place.folder)
