"""Files on disk: checksums and lists of them, archives unpacked within bounds, free space, errors as sentences."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from lcnb.errors import REASONS, DownloadError
from lcnb.paths import written_whole

LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")
ELSEWHERE = re.compile(r"^/|(^|/)\.\.(/|$)|[\x00-\x1f\x7f\\:]")
"""Names that could lead outside the folder on some system, or that no file should have."""
SPARE = 100_000_000
"""Bytes of the disk that are always left free."""
MEMBERS = 400_000
"""The most files and folders of an archive."""
DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile, ValueError, RuntimeError)
CLASHES = (FileExistsError, NotADirectoryError, IsADirectoryError)


@dataclass(frozen=True)
class Damage:
    """How a folder differs from a list of checksums. Names are relative, in the order of the list."""

    total: int
    missing: list[str]
    different: list[str]

    def __str__(self) -> str:
        parts = []
        if self.different:
            parts.append(f"{len(self.different):,} differ from their checksums, the first is {self.different[0]}")
        if self.missing:
            parts.append(f"{len(self.missing):,} are missing, the first is {self.missing[0]}")
        return f"of {self.total:,} files " + (" and ".join(parts) or "all match their checksums")


def read_sums(path: Path) -> dict[str, str]:
    """Read a list of checksums as `sha256sum --check` does; returns name -> SHA-256.

    Raises:
        DownloadError: a line is no checksum with a name, or names a file outside the folder.
    """
    found = {}
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        match = LINE.fullmatch(line)
        if match is None or ELSEWHERE.search(match[2]):
            raise DownloadError(f"line {number} of {path} is no checksum with a file name: {line[:80]!r}")
        found[match[2]] = match[1]
    return found


def write_sums(path: Path, sums: Mapping[str, str]) -> None:
    """Write a list that `read_sums` reads, sorted by name."""
    with written_whole(path) as temporary:
        text = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))
        temporary.write_text(text, encoding="utf-8", newline="\n")


def digest(path: Path, algorithm: str = "sha256") -> str:
    """Returns the checksum of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()


def mismatch(path: Path, wanted: str) -> str:
    """Returns how a file differs from a checksum such as "md5:6cd6..."; "" if it does not, or if `wanted` is ""."""
    algorithm, _, sum_ = wanted.partition(":")
    found = digest(path, algorithm) if wanted else ""
    return "" if found == sum_ else f"{algorithm} {found} instead of {sum_}"


def compare(folder: Path, sums: Mapping[str, str]) -> Damage:
    """Compare every file of a list with its checksum; one that cannot be read counts as different."""
    damage = Damage(len(sums), [], [])
    for name, wanted in tqdm(sums.items(), desc="checking", unit="file", disable=None, leave=False):
        if not os.path.isfile(folder / name):
            damage.missing.append(name)
            continue
        found = None
        with contextlib.suppress(OSError):
            found = digest(folder / name)
        if found != wanted:
            damage.different.append(name)
    return damage


def unpack(path: Path, into: Path, most: int, wanted: Callable[[str], bool] = lambda name: True) -> dict[str, str]:
    """Unpack the plain files and folders of an archive.

    Args:
        path: a zip if its name ends in .zip, else a tar, compressed or not. The memory that `tarfile` needs for a
            tar's headers is not bounded: verify the checksum of a tar first.
        into: a folder without these files.
        most: upper bound of the unpacked size, in bytes.
        wanted: selects files by name; the others must obey the same rules.

    Returns:
        name -> SHA-256 of each unpacked file.

    Raises:
        DownloadError: the archive is damaged or none; an entry is no plain file, or its name leads elsewhere or
            collides with another; or more than `most` bytes or `MEMBERS` entries would be unpacked.
    """
    names: dict[str, bool] = {}
    size, sums = 0, {}
    with on_disk(into):
        try:
            zipped = path.suffix == ".zip"
            archive: Any = zipfile.ZipFile(path) if zipped else tarfile.open(path)  # noqa: SIM115
            with archive:
                members = archive.infolist() if zipped else archive
                for member in tqdm(members, f"unpacking {path.name}", unit="file", disable=None, leave=False):
                    name = (member.filename if zipped else member.name).removeprefix("./").rstrip("/")
                    folder = member.is_dir() if zipped else member.isdir()
                    size += member.file_size if zipped else member.size
                    if len(names) >= MEMBERS or size > most:
                        raise DownloadError(
                            f"{path} holds more than {MEMBERS:,} files or {amount(most)}; it is not what was published"
                        )
                    plain = zipped or folder or member.isreg()
                    twice = names.get(name.casefold(), folder) != folder or (name.casefold() in names and not folder)
                    if not plain or twice or ELSEWHERE.search(name):
                        why = "its name may lead elsewhere" if plain else "it is no plain file"
                        why = "it is there twice" if twice else why
                        raise DownloadError(f"{path} was not unpacked: it holds {name[:100]!r}; {why}")
                    names[name.casefold()] = folder
                    if not folder and wanted(name):
                        archive.extract(member, into, **({} if zipped else {"filter": "data"}))
                        sums[name] = digest(into / name)
        except (*DAMAGED, *CLASHES) as error:
            raise DownloadError(f"{path} is damaged or no archive ({error}); remove it and fetch it again") from None
    return sums


@contextlib.contextmanager
def on_disk(path: Path) -> Iterator[None]:
    """Turn an OSError of the block into a DownloadError about `path`.

    Raises:
        DownloadError: instead of the OSError.
    """
    try:
        yield
    except OSError as error:
        why = REASONS.get(error.errno or 0)
        said = f"cannot be written: {why}" if why else f"{error.strerror or error}"
        raise DownloadError(
            f"{error.filename or path} {said}; what is complete stays, and --to DIR names another place"
        ) from None


def free(folder: Path) -> int:
    """Returns the free bytes on the disk that holds, or would hold, `folder`."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def need(folder: Path, size: int, what: str) -> None:
    """Refuse to start what cannot be completed.

    Raises:
        DownloadError: fewer than `size` bytes and `SPARE` are free.
    """
    if free(folder) < size + SPARE:
        raise DownloadError(
            f"{what} needs about {amount(size)}, but the disk of {folder} has {amount(free(folder))} free; make room, "
            "or choose another disk with --to DIR"
        )


def amount(size: int) -> str:
    """Returns a size in words: 1999639040 -> "2.00GB"."""
    return tqdm.format_sizeof(size, "B")
