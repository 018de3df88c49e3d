"""Lists of checksums in the form that `sha256sum --check` reads, and files held against them."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lcnb.downloads.names import fault
from lcnb.errors import DownloadError
from lcnb.paths import written_whole

LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")
BLOCK = 1 << 20


class Progress(Protocol):
    """Is told what is being done, how much of it, and of how much (None: not known)."""

    def __call__(self, what: str, done: int, total: int | None, unit: str = "bytes") -> None: ...


def silent(what: str, done: int, total: int | None, unit: str = "bytes") -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class Damage:
    """What a folder lacks of a list. Names are relative, in the order of the list."""

    total: int
    missing: tuple[str, ...]
    different: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Every file is there and as published."""
        return not self.missing and not self.different

    def __str__(self) -> str:
        parts = []
        if self.different:
            parts.append(f"{len(self.different):,} differ from their checksums, the first is {self.different[0]}")
        if self.missing:
            parts.append(f"{len(self.missing):,} are missing, the first is {self.missing[0]}")
        return f"of {self.total:,} files " + (" and ".join(parts) or "all match their checksums")


def read(path: Path) -> dict[str, str]:
    """Name -> SHA-256, in the order of the file.

    Raises:
        DownloadError: it is no such list, or names a file outside its folder.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DownloadError(f"the list of checksums {path} cannot be read ({error})") from None
    found = {}
    for number, line in enumerate(lines, start=1):
        match = LINE.fullmatch(line)
        if match is None or fault(match[2]):
            raise DownloadError(f"line {number} of {path} is no checksum with a file name: {line[:80]!r}")
        found[match[2]] = match[1]
    return found


def write(path: Path, sums: Mapping[str, str]) -> None:
    """A list, in the order of its names."""
    with written_whole(path) as temporary:
        text = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))
        temporary.write_text(text, encoding="utf-8", newline="\n")


def digest(path: Path, algorithm: str = "sha256", progress: Progress | None = None) -> str:
    """The checksum of a file, in hexadecimal."""
    found = hashlib.new(algorithm, usedforsecurity=algorithm != "md5")
    size, done = path.stat().st_size, 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            found.update(block)
            done += len(block)
            if progress is not None:
                progress(f"checking {path.name}", done, size)
    return found.hexdigest()


def compare(folder: Path, sums: Mapping[str, str], progress: Progress) -> Damage:
    """Hold every file of a list against its checksum."""
    missing, different = [], []
    for number, (name, wanted) in enumerate(sums.items(), start=1):
        path = folder / name
        if not os.path.isfile(path):
            missing.append(name)
        elif _digest_or_none(path) != wanted:
            different.append(name)
        progress("checking", number, len(sums), "files")
    return Damage(len(sums), tuple(missing), tuple(different))


def _digest_or_none(path: Path) -> str | None:
    """A file that cannot be read (a bad sector, no permission) is as good as a damaged one."""
    try:
        return digest(path)
    except OSError:
        return None
