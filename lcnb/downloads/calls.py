"""One door for all data sets: say what would be done, do it, look at what is there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lcnb.downloads import camvid, parts, sbd
from lcnb.downloads.disk import amount, free
from lcnb.downloads.places import Place
from lcnb.downloads.report import Report
from lcnb.downloads.sources import COMMIT, SOURCES, Archive
from lcnb.downloads.transfer import Session
from lcnb.errors import DownloadError


def obtain(name: str, place: Place, session: Session, *, only: Sequence[str] = (), repair: bool = False) -> None:
    """Make sure that a data set is in its place, whole and checked.

    Args:
        name: "camvid", "voc2012", "sbd", "coco" or "cityscapes".
        place: where; of `lcnb.downloads.places.place`.
        session: how to fetch, and who is told.
        only: the parts that are wanted; all if none is named.
        repair: replace files of CamVid that differ from what is published.

    Raises:
        DownloadError: it cannot be had; the sentence says why and what to do.
        LockError: another process is at it.
    """
    source = SOURCES[name]
    if name == "camvid":
        camvid.obtain(place, session, repair)
    elif name == "sbd":
        sbd.obtain(source, place, session)
    else:
        parts.obtain(source, place, session, chosen(name, only))


def chosen(name: str, only: Sequence[str]) -> list[Archive]:
    """The archives of the parts that are wanted.

    Raises:
        DownloadError: there is no such part.
    """
    known = {archive.part: archive for archive in SOURCES[name].archives}
    for part in only:
        if part not in known:
            raise DownloadError(f"{name} has no part {part!r}; it has {', '.join(known)}")
    return [archive for part, archive in known.items() if not only or part in only]


def verify(name: str, place: Place, session: Session) -> Report:
    """What is on disk, held against what is known about it."""
    if not place.folder.is_dir():
        raise DownloadError(
            f"{SOURCES[name].title} is not here: there is no {place.folder}; get it with `lcnb data {name}`"
        )
    if name == "camvid":
        return camvid.verify(place, session)
    source = SOURCES[name]
    return sbd.verify(source, place, session) if name == "sbd" else parts.verify(source, place, session)


def plan(name: str, place: Place, session: Session, only: Sequence[str] = ()) -> list[str]:
    """What `obtain` would do, line by line; nothing is asked of the network."""
    source = SOURCES[name]
    lines = [source.title, f"terms: {source.terms}", f"use here: {source.use}"]
    if name == "camvid":
        lines += [
            f"from: {session.mirror or camvid.BASE}",
            f"  {len(camvid.published()):,} files, about {amount(source.archives[0].about)} (reckoned from train and "
            f"val; no sizes are published), each held against its SHA-256 of commit {COMMIT[:10]}",
        ]
    else:
        lines += [line for archive in chosen(name, only) for line in _from(archive, place.work, session)]
    if not place.empty:
        lines.append("there already: it is checked, and only what it lacks is fetched")
    if not source.archives[0].login:
        lines.append(f"fetched by hand, an archive is taken from {place.work}")
    return [*lines, f"to: {place.folder}", f"free there: {amount(free(place.root))}"]


def _from(archive: Archive, work: Path, session: Session) -> list[str]:
    if archive.login:
        first = f"by hand: {archive.file}, after a login at {archive.url}, into {work}"
    else:
        first = f"from: {session.url(archive.url, archive.file)}"
    size = f"{archive.size:,} bytes" if archive.size is not None else f"about {amount(archive.about)}"
    sum_ = (
        f"{archive.digest.replace(':', ' ')}, published by {archive.by}" if archive.digest else "no published checksum"
    )
    return [first, f"  {size}; {sum_}"]
