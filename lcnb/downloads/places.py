"""Where a data set lies, and where it is put together."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lcnb.downloads.disk import on_disk, remove_if_empty
from lcnb.errors import DownloadError
from lcnb.locking import locked
from lcnb.paths import absolute, data_roots, given_roots

WORK = "downloads"


@dataclass(frozen=True)
class Place:
    """The folders of one data set.

    Attributes:
        root: a data root.
        name: of the data set.
        folder: of the data set.
    """

    root: Path
    name: str
    folder: Path

    @property
    def work(self) -> Path:
        """What is on its way, and archives that somebody put there by hand."""
        return self.root / WORK / self.name

    @property
    def fetched(self) -> Path:
        """Archives that came, or are coming, from the network; removed once what they held is in place."""
        return self.work / "fetched"

    @property
    def stage(self) -> Path:
        """Where it is put together; never left over by a call that ends well."""
        return self.work / "unpacked"

    @property
    def empty(self) -> bool:
        """There is nothing of the name, or an empty folder."""
        if self.folder.is_dir():
            return next(self.folder.iterdir(), None) is None
        if os.path.lexists(self.folder):
            raise DownloadError(f"{self.folder} is no folder; move it away, or give --to DIR")
        return True

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep other calls for the same place out, and clear away what is empty afterwards."""
        try:
            with on_disk(self.work):
                self.work.mkdir(parents=True, exist_ok=True)
            with locked(self.work, f"lcnb data {self.name}", instead="give --to another folder"):
                yield
        finally:
            below = [path for path in self.stage.rglob("*") if path.is_dir()] if self.stage.exists() else []
            remove_if_empty(*sorted(below, reverse=True), self.stage, self.fetched, self.work, self.work.parent)

    def hint(self) -> str:
        """What makes the commands find it, or nothing where they do."""
        return "" if self.root in data_roots() else f"to use it: export LCNB_DATA={self.root}"


def place(name: str, to: str | Path | None = None) -> Place:
    """Where `lcnb data NAME` works: where the data set is (in the first of its folders), else in the first data root.

    Args:
        name: of the data set.
        to: a data root that is asked for; by default those of `lcnb.paths.data_roots()` are searched, and a new data
            set goes to the first folder of `$LCNB_DATA`, or to `data/` of the working directory.
    """
    if name == "sbd":  # its masks go beside VOC's
        from lcnb.datasets.voc import root_of

        beside = place("voc2012", to)
        return Place(beside.root, name, root_of(beside.folder))
    found = None if to is not None else _found(name)
    if found is not None:  # VOCdevkit/ may lie in the data root itself
        return Place(found if found in data_roots() else found.parent, name, found)
    root = absolute(to if to is not None else next(iter(given_roots()), "data"))
    if root.exists() and not root.is_dir():
        raise DownloadError(f"{root} is no folder; give --to DIR")
    return Place(root, name, root / name)


def _found(name: str) -> Path | None:
    """The data set where lcnb would read it; what it does not read, where its folder is."""
    from lcnb.datasets import locate, names

    if name in names():
        return locate(name)
    return next((root / name for root in data_roots() if (root / name).is_dir()), None)
