"""Where things are: data folders and the checkout, as absolute paths."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lcnb.errors import LcnbError

HOME = "https://github.com/lcnb/lcnb"
"""The one address setting: a test says which texts must follow when it changes."""
REPOSITORY = os.environ.get("LCNB_REPOSITORY", HOME)
"""Where an installed package says its data and weights can be had: a fork may name itself."""


def checkout() -> Path | None:
    """The root of the source tree that this package was imported from, or None for an installed one."""
    root = Path(__file__).resolve().parent.parent
    return root if (root / "pyproject.toml").is_file() and (root / "data").is_dir() else None


def absolute(path: str | Path) -> Path:
    """A path that no change of the working directory moves: `~` expanded, links followed."""
    return Path(os.path.realpath(os.path.expanduser(path)))


def data_roots() -> list[Path]:
    """Folders that are searched for data sets and weights, first match wins.

    `$LCNB_DATA` (one folder, or several joined by the system's path separator), then `data/` of the working
    directory, then `data/` of the checkout. Only folders that exist, as absolute paths.
    """
    return [path for path in _candidates() if path.is_dir()]


def _given() -> list[Path]:
    return [absolute(p) for p in os.environ.get("LCNB_DATA", "").split(os.pathsep) if p.strip()]


def _candidates() -> list[Path]:
    """The roots, each once, whether they exist or not."""
    root = checkout()
    own = [] if root is None else [root / "data"]
    return list(dict.fromkeys([*_given(), absolute("data"), *own]))


def searched() -> str:
    """The places an error message names, with those of `$LCNB_DATA` that do not exist marked."""
    given = _given()
    named = [f"{p}{'' if p.is_dir() else ' (no such folder)'}" for p in given]
    first = f"$LCNB_DATA = {' and '.join(named)}" if named else "$LCNB_DATA (not set)"
    return ", ".join([first, *(str(p) for p in _candidates() if p not in given)])


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`; renamed to it when the block ends well, removed when it does not.

    So a reader never sees half a file, and an interrupted write leaves the old one as it was.

    Raises:
        LcnbError: `path` is a device or a pipe, which renaming would replace by a file.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise LcnbError(f"{path} is no file that can be replaced; name another")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as written:  # on the disk before it takes the name, or a power cut leaves a stub
            os.fsync(written.fileno())
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def cache_root() -> Path:
    """Where what can be made again is kept: `$LCNB_CACHE`, else `lcnb` in the user's folder for such things."""
    given = os.environ.get("LCNB_CACHE", "").strip()
    if given:
        return absolute(given)
    return absolute(os.environ.get("XDG_CACHE_HOME", "").strip() or "~/.cache") / "lcnb"
