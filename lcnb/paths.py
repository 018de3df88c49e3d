"""Where things are: data folders and the checkout, as absolute paths."""

from __future__ import annotations

import atexit
import contextlib
import errno
import functools
import glob
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lcnb.errors import LcnbError, WriteError

REPOSITORY = os.environ.get("LCNB_REPOSITORY", "").strip().removesuffix("/")
"""The address of the repository, "https://github.com/me/mine", or "" where none was set: there is no default."""
CHECKOUT = REPOSITORY or "the lcnb repository"
"""What messages call the place of data, weights and notebooks."""
NO_HOME = "this user has no home folder; set HOME to a folder of yours"
"""What to say where `~` stands for nothing: no HOME, and a user that the system does not list."""
STALE = 3600.0
"""Seconds after which an unfinished file that nobody wrote to any more is nobody's."""
SHORT = 40
"""Letters of a file's name in that of its unfinished one, which must not be too long where the name is not."""


def checkout() -> Path | None:
    """The root of the source tree that this package was imported from, or None for an installed one."""
    root = Path(__file__).resolve().parent.parent
    return root if (root / "pyproject.toml").is_file() and (root / "data").is_dir() else None


def extra(name: str) -> str:
    """The command that installs what an extra of pyproject.toml lists, for messages.

    From a checkout it names the folder: the package of this name on an index could be somebody else's. Where lcnb is
    installed, pip takes the installed one.
    """
    root = checkout()
    return f'pip install "lcnb[{name}]"' if root is None else f'pip install -e "{root}[{name}]"'


def absolute(path: str | Path) -> Path:
    """A path that no change of the working directory moves: `~` expanded, links followed.

    Raises:
        LcnbError: it begins with `~`, and this user has no home folder.
    """
    expanded = os.path.expanduser(path)
    if expanded == "~" or str(expanded).startswith("~/"):  # left as it is, it would become a folder called "~"
        raise LcnbError(f"{path}: {NO_HOME}, or write ./{path} for a file of that name")
    return Path(os.path.realpath(expanded))


def data_roots() -> list[Path]:
    """Folders that are searched for weights and for each split of a data set, first match wins.

    `$LCNB_DATA` (one folder, or several joined by the system's path separator), then `data/` of the working
    directory, then `data/` of the checkout. Only folders that exist, as absolute paths.
    """
    return [path for path in _candidates() if path.is_dir()]


def given_roots() -> list[Path]:
    """Those that `$LCNB_DATA` names, as absolute paths, whether they exist or not."""
    return [absolute(p) for p in os.environ.get("LCNB_DATA", "").split(os.pathsep) if p.strip()]


def _candidates() -> list[Path]:
    """The roots, each once, whether they exist or not."""
    root = checkout()
    own = [] if root is None else [root / "data"]
    return list(dict.fromkeys([*given_roots(), absolute("data"), *own]))


def searched() -> str:
    """The places an error message names, with those of `$LCNB_DATA` that do not exist marked."""
    given = given_roots()
    named = [f"{p}{'' if p.is_dir() else ' (no such folder)'}" for p in given]
    first = f"$LCNB_DATA = {' and '.join(named)}" if named else "$LCNB_DATA (not set)"
    return ", ".join([first, *(str(p) for p in _candidates() if p not in given)])


@contextlib.contextmanager
def written_whole(path: Path, most: int = 0o666) -> Iterator[Path]:
    """A temporary name beside `path`; renamed to it when the block ends well, removed when it does not.

    So a reader never sees half a file, and an interrupted write leaves the old one as it was. What a killed process
    left is called `.NAME.XXXXXXXX.unfinished`; it is removed by the next write of that name when it is an hour old.

    Args:
        path: of the file.
        most: permissions that it may have; the umask takes from them.

    Raises:
        WriteError: the file cannot be written: the disk is full, say, or the folder read-only.
        LcnbError: `path` is a device or a pipe, which renaming would replace by a file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _unfinished(path, path.parent)
    except OSError as error:
        raise WriteError(path, error) from None
    try:
        yield temporary
        with temporary.open("rb+") as written:  # on the disk before it takes the name, or a power cut leaves a stub
            os.fsync(written.fileno())
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(most & ~mask)
        os.replace(temporary, path)
    except OSError as error:  # of this file; one that names another file is about that one, a broken pipe about none
        named = error.filename is not None and str(error.filename) != str(temporary)
        if named or isinstance(error, (WriteError, BrokenPipeError)):
            raise
        raise WriteError(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _unfinished(path: Path, folder: Path) -> Path:
    """A new empty file for what will be `path`; those that a killed process left an hour ago are removed."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise LcnbError(f"{path} is no file that can be replaced; name another")
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    start, end = f".{path.name[:SHORT]}.", f".unfinished{path.suffix}"
    for left in folder.glob(f"{glob.escape(start)}*{glob.escape(end)}"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > STALE:
                left.unlink()
    handle, name = tempfile.mkstemp(prefix=start, suffix=end, dir=folder)
    os.close(handle)
    return Path(name)


def check_writable(*paths: Path | None) -> None:
    """Say now, not after the work, that a file cannot be written. Nothing is left, no folder is made.

    Raises:
        WriteError: as `written_whole` would.
    """
    for path in filter(None, paths):
        folder = next(above for above in path.absolute().parents if above.exists())
        try:
            _unfinished(path, folder).unlink()
        except OSError as error:
            raise WriteError(path, error) from None


def cache_root() -> Path:
    """Where what can be made again is kept: `$LCNB_CACHE`, else `lcnb` in the user's folder for such things.

    A user without a home folder gets one that is removed when this process ends.
    """
    given = os.environ.get("LCNB_CACHE", "").strip()
    if given:
        return absolute(given)
    folder = os.environ.get("XDG_CACHE_HOME", "").strip()
    if not folder and os.path.expanduser("~") == "~":
        return _cache_of_this_process()
    return absolute(folder or "~/.cache") / "lcnb"


@functools.cache
def _cache_of_this_process() -> Path:
    folder = tempfile.TemporaryDirectory(prefix="lcnb-cache-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


def write_json(path: Path, result: Any) -> None:
    """Write a result as JSON, whole or not at all.

    Raises:
        WriteError, LcnbError: as `written_whole`.
    """
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
