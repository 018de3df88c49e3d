"""Unpacking what a stranger packed: plain files with plain names, below one folder, within bounds.

tarfile and zipfile read the containers; nothing of what they would set by themselves (owners, modes, links) is used.
One entry that is anything but a file or a folder, or has a name that could lie elsewhere, and the archive is refused.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from lcnb.downloads.checksums import BLOCK, Progress
from lcnb.downloads.disk import amount, on_disk
from lcnb.downloads.names import alike, fault
from lcnb.errors import DownloadError

HEADER = 1 << 24
"""Bytes that one read may ask for: a tar's own headers say how long they are, and are believed."""
DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, gzip.BadGzipFile, ValueError)
ENCRYPTED = 0x1
OUTSIDE = (NotImplementedError, RuntimeError, OverflowError)


@dataclass(frozen=True)
class Bounds:
    """The most that may come out of an archive."""

    size: int
    files: int


@dataclass(frozen=True)
class Entry:
    """A file in an archive, or a folder, which has no `open`."""

    name: str
    size: int = 0
    open: Callable[[], IO[bytes] | None] | None = None


def unpack(
    path: Path, into: Path, bounds: Bounds, progress: Progress, wanted: Callable[[str], bool] = lambda name: True
) -> dict[str, str]:
    """Write an archive's files below a folder.

    Args:
        path: a .zip, .tar or .tgz.
        into: a folder of ours that lacks these files.
        wanted: picks by name; what it leaves out is held to the same rules.

    Returns:
        name -> SHA-256 of each file written.

    Raises:
        DownloadError: it is damaged or no such archive, an entry is refused, or a bound is passed.
    """
    seen: dict[str, bool] = {}
    sums: dict[str, str] = {}
    size = 0
    try:
        for number, entry in enumerate(_entries(path, bounds), start=1):
            size += entry.size
            if number > bounds.files or size > bounds.size:
                most = f"{bounds.files:,} files" if number > bounds.files else amount(bounds.size)
                raise DownloadError(f"{path} holds more than {most}; it is not what was published")
            _check(path, entry, seen)
            if entry.open is not None and wanted(entry.name):
                sums[entry.name] = _write(path, entry, into)
                progress(f"unpacking {path.name}", number, None, "files")
    except DAMAGED as error:
        raise DownloadError(f"{path} is damaged or no archive ({error}); remove it and fetch it again") from None
    except OUTSIDE as error:
        raise DownloadError(f"{path} cannot be unpacked here ({error})") from None
    return sums


def _entries(path: Path, bounds: Bounds) -> Iterator[Entry]:
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(0)
        if head.startswith(b"PK"):
            yield from _of_zip(path, file)
        elif head.startswith(b"\x1f\x8b"):
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield from _of_tar(path, _Watched(path, unpacked, bounds))
        else:
            yield from _of_tar(path, _Watched(path, file, bounds))


def _of_tar(path: Path, file: _Watched) -> Iterator[Entry]:
    with tarfile.open(fileobj=file, mode="r:") as tar:
        while member := tar.next():
            tar.members = []  # type: ignore[attr-defined]  # or it remembers every one
            name = member.name.removeprefix("./")
            if member.isdir():
                yield Entry(name)
            elif member.isreg() and not member.issparse():
                yield Entry(name, member.size, partial(tar.extractfile, member))
            else:
                raise _refused(path, member.name, "it is no plain file")


def _of_zip(path: Path, file: IO[bytes]) -> Iterator[Entry]:
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            if member.orig_filename != member.filename:  # cut at a NUL, or "\\" made "/"
                raise _refused(path, member.orig_filename, "it holds a character that no file name should have")
            if member.is_dir() and kind in (0, stat.S_IFDIR):
                yield Entry(member.filename.removesuffix("/"))
            elif kind in (0, stat.S_IFREG) and not member.flag_bits & ENCRYPTED:
                yield Entry(member.filename, member.file_size, partial(archive.open, member))
            else:
                raise _refused(path, member.filename, "it is no plain file")


def _check(path: Path, entry: Entry, seen: dict[str, bool]) -> None:
    """Refuse a name that is no plain one, that came before, or that makes a folder of a file or a file of a folder.

    `seen` holds every path so far, and whether it is a file.
    """
    if entry.name == "." and entry.open is None:
        return
    if wrong := fault(entry.name):
        raise _refused(path, entry.name, wrong)
    parts = alike(entry.name).split("/")
    paths = ["/".join(parts[:k]) for k in range(1, len(parts) + 1)]
    is_file = entry.open is not None
    if any(seen.get(folder, False) for folder in paths) or (is_file and paths[-1] in seen):
        raise _refused(path, entry.name, "another entry has this name, or one that differs in case only")
    seen.update(dict.fromkeys(paths, False))
    seen[paths[-1]] = is_file


def _write(path: Path, entry: Entry, into: Path) -> str:
    """Copy one file out; its SHA-256."""
    target = into / entry.name
    found, size = hashlib.sha256(), 0
    source = entry.open() if entry.open is not None else None
    if source is None:
        raise _refused(path, entry.name, "it is no plain file")
    with on_disk(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    with source, os.fdopen(descriptor, "wb") as file:
        while block := source.read(BLOCK):
            size += len(block)
            if size > entry.size:
                raise DownloadError(f"{path}: {entry.name} is longer than it says; it is not what was published")
            found.update(block)
            with on_disk(target):
                file.write(block)
        with on_disk(target):
            file.flush()
    if size != entry.size:
        raise DownloadError(f"{path} ends within {entry.name}; remove it and fetch it again")
    return found.hexdigest()


def _refused(path: Path, name: str, why: str) -> DownloadError:
    return DownloadError(f"{path} was not unpacked: it holds {name[:100]!r}, which is refused because {why}")


class _Watched(io.RawIOBase):
    """A tar as bytes that refuses what a header may ask for: gigabytes in one read, or more than the bounds allow."""

    def __init__(self, path: Path, file: IO[bytes] | gzip.GzipFile, bounds: Bounds):
        self.path, self.file, self.bounds = path, file, bounds
        self.most = bounds.size + 2048 * bounds.files + HEADER

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= HEADER or self.file.tell() > self.most:
            raise DownloadError(f"{self.path} holds more than it may; it is not what was published")
        return self.file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence != 0 or offset > self.most:
            raise DownloadError(f"{self.path} holds more than it may; it is not what was published")
        return self.file.seek(offset)

    def tell(self) -> int:
        return self.file.tell()
