"""`lcnb data`: which data sets are here, what is in one, and how to have more."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from lcnb.cli import download
from lcnb.cli.console import percent, table
from lcnb.cli.options import CLASSES, command, flag, option


def add(commands: Any) -> None:
    """The options of the command's parts."""
    text = "list, show, fetch or verify data sets"
    parts = command(commands, "data", list_all, text, "lcnb data camvid").add_subparsers(title="parts", metavar="PART")
    command(parts, "list", list_all, "list all data sets, with their splits and where they are", "lcnb data list")
    command(
        parts, "show", show_one, "show classes and splits of a data set", "lcnb data show camvid --shares",
        [
            option("name", metavar="NAME", help="streets, camvid, voc2012 or cityscapes"), CLASSES,
            flag("--shares", "count the fraction of the labelled pixels that each class has"),
            option("--split", help="the split that --shares counts (default: the first)"),
        ],
    )  # fmt: skip
    download.add(parts)


def list_all(arguments: argparse.Namespace) -> int:
    """One line for each folder of each data set, with the splits that are read from it."""
    from lcnb.datasets import folders, names, spec

    rows: list[tuple[str, str, str, str]] = [("name", "title", "splits", "folder")]
    for name in names():
        title = spec(name).title
        missing = f"not found; lcnb data {name}" if name in download.HELP else "not found"
        found = [(name, title, _counts(name, own), str(folder)) for folder, own in folders(name).items()]
        rows += found or [(name, title, "-", missing)]
    print(table(rows))
    return 0


def _counts(name: str, splits: Iterable[str]) -> str:
    from lcnb.datasets import load_dataset

    return ", ".join(f"{split} {len(load_dataset(name, split))}" for split in splits) or "-"


def show_one(arguments: argparse.Namespace) -> int:
    """A data set's terms, splits and classes."""
    from lcnb.datasets import class_shares, folders, load_dataset, spec, splits

    about, found = spec(arguments.name, arguments.classes), splits(arguments.name)
    where = " and ".join(map(str, folders(arguments.name))) or f"not found; {about.how_to_get}"
    print(
        f"{about.title} ({about.name})\nlicence: {about.licence}\nfolder: {where}\n"
        f"splits: {_counts(arguments.name, found)}\nunlabelled: {about.ignore_index}\n"
    )
    rows: list[tuple[object, ...]] = [("index", "class"), *enumerate(about.classes)]
    if arguments.shares:
        split = arguments.split or next(iter(found), "val")
        fractions = class_shares(load_dataset(arguments.name, split, classes=arguments.classes)).tolist()
        column = [f"fraction of {split}", *map(percent, fractions)]
        rows = [(*row, cell) for row, cell in zip(rows, column, strict=True)]
    print(table(rows, right=(0, 2)))
    return 0
