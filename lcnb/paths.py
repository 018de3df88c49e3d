"""Where things are: data folders and the checkout, as absolute paths."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = os.environ.get("LCNB_REPOSITORY", "https://github.com/lcnb/lcnb")
"""The one address setting: where an installed package says its data and weights can be had."""


def checkout() -> Path | None:
    """The root of the source tree that this package was imported from, or None for an installed one."""
    root = Path(__file__).resolve().parent.parent
    return root if (root / "pyproject.toml").is_file() and (root / "data").is_dir() else None


def data_roots() -> list[Path]:
    """Folders that are searched for data sets and weights, first match wins.

    `$LCNB_DATA` (one folder, or several joined by the system's path separator), then `data/` of the working
    directory, then `data/` of the checkout. Only folders that exist.
    """
    given = [Path(p) for p in os.environ.get("LCNB_DATA", "").split(os.pathsep) if p]
    found = [Path.cwd() / "data"]
    if (root := checkout()) is not None:
        found.append(root / "data")
    unique = dict.fromkeys(p.expanduser().resolve() for p in [*given, *found])
    return [p for p in unique if p.is_dir()]


def searched() -> str:
    """The places an error message names."""
    given = os.environ.get("LCNB_DATA")
    first = f"$LCNB_DATA ({Path(given).expanduser().resolve()})" if given else "$LCNB_DATA (not set)"
    return ", ".join([first, *(str(p) for p in data_roots() if str(p) not in first)])


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`; renamed to it when the block ends well, removed when it does not.

    So a reader never sees half a file, and an interrupted write leaves the old one as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
