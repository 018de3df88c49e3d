"""`lcnb data`: which data sets are here, what is in one, and how to have more."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from lcnb.cli import download
from lcnb.cli.console import percent, table
from lcnb.cli.options import command


def add(commands: Any) -> None:
    """The command's options."""
    parser = command(commands, "data", list_all, "list, show, fetch or verify data sets", "lcnb data camvid")
    parts = parser.add_subparsers(title="parts", metavar="PART")
    command(parts, "list", list_all, "list all data sets, with their splits and where they are", "lcnb data list")
    show = command(parts, "show", show_one, "show classes and splits of a data set", "lcnb data show camvid --shares")
    show.add_argument("name", metavar="NAME", help="streets, camvid, voc2012 or cityscapes")
    show.add_argument("--classes", choices=("all", "covered7"), default="all", help="covered7 is for voc2012")
    show.add_argument("--shares", action="store_true", help="count each class's share of the labelled pixels")
    show.add_argument("--split", help="the split that --shares counts (default: the first)")
    download.add(parts)


def list_all(arguments: argparse.Namespace) -> int:
    """One line for each folder of each data set, with the splits that are read from it."""
    from lcnb.datasets import folders, names, spec

    rows: list[tuple[str, str, str, str]] = [("name", "title", "splits", "folder")]
    for name in names():
        title = spec(name).title
        found = [(name, title, _counts(name, own), str(folder)) for folder, own in folders(name).items()]
        rows += found or [(name, title, "-", _missing(name))]
    print(table(rows))
    return 0


def _missing(name: str) -> str:
    return f"not found; lcnb data {name}" if name in download.HELP else "not found"


def _counts(name: str, splits: Iterable[str]) -> str:
    from lcnb.datasets import load_dataset

    return ", ".join(f"{split} {len(load_dataset(name, split))}" for split in splits) or "-"


def show_one(arguments: argparse.Namespace) -> int:
    """A data set's terms, splits and classes."""
    from lcnb.datasets import folders, spec, splits

    about = spec(arguments.name, arguments.classes)
    found = " and ".join(map(str, folders(arguments.name)))
    print(f"{about.title} ({about.name})")
    print(f"licence: {about.licence}")
    print(f"folder: {found or f'not found; {about.how_to_get}'}")
    print(f"splits: {_counts(arguments.name, splits(arguments.name))}")
    print(f"unlabelled: {about.ignore_index}\n")
    print(_classes(arguments, about.classes))
    return 0


def _classes(arguments: argparse.Namespace, classes: tuple[str, ...]) -> str:
    rows: list[tuple[object, ...]] = [("index", "class"), *enumerate(classes)]
    if not arguments.shares:
        return table(rows, right=(0,))
    from lcnb.datasets import class_shares, load_dataset, splits

    split = arguments.split or next(iter(splits(arguments.name)), "val")
    shares = class_shares(load_dataset(arguments.name, split, classes=arguments.classes)).tolist()
    column = [f"share of {split}", *map(percent, shares)]
    return table([(*row, cell) for row, cell in zip(rows, column, strict=True)], right=(0, 2))
