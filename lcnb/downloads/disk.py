"""The disk: is there room, may it be written, and a sentence where not."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from lcnb.errors import REASONS, DownloadError

SPARE = 100_000_000
"""Bytes that stay free, whatever is fetched."""


@contextlib.contextmanager
def on_disk(path: Path) -> Iterator[None]:
    """Turn an OSError of the block into a sentence about `path`."""
    try:
        yield
    except OSError as error:
        why = REASONS.get(error.errno or 0) or f"{error.strerror}; name another place"
        raise DownloadError(
            f"{error.filename or path} cannot be written: {why}; what is complete stays, and --to DIR names another "
            "place"
        ) from None


def free(folder: Path) -> int:
    """Bytes free on the disk that `folder` is on or would be on."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def need(folder: Path, size: int, what: str) -> None:
    """Refuse to start what cannot end.

    Raises:
        DownloadError: less than `size` bytes (and some spare ones) are free.
    """
    left = free(folder)
    if left < size + SPARE:
        raise DownloadError(
            f"{what} needs about {amount(size)}, but the disk of {folder} has {amount(left)} free; make room, or "
            "choose another disk with --to DIR"
        )


def settle() -> None:
    """Let the system write out what it still holds, before a folder takes its name: a power cut then loses no file."""
    if sys.platform != "win32":
        os.sync()


def remove_if_empty(*folders: Path) -> None:
    """Clear away, in this order, folders that nothing is left in."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def amount(size: int | None) -> str:
    """1999639040 -> "2.0 GB"."""
    if size is None:
        return "unknown size"
    for unit, one in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= one:
            return f"{size / one:.1f} {unit}"
    return f"{size} bytes"
