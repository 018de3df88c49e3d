"""`lcnb data`: which data sets are here, what is in one, and how to fetch, repair or verify one."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from lcnb.cli.console import percent, table
from lcnb.cli.options import CLASSES, Option, command, flag, option
from lcnb.errors import DownloadError
from lcnb.paths import data_roots

FETCHED = {
    "camvid": ("fetch CamVid (190 MB)", "lcnb data camvid --to ~/data"),
    "voc2012": ("fetch PASCAL VOC 2012 (2 GB)", "lcnb data voc2012 --dry-run"),
    "sbd": ("fetch SBD's masks into PASCAL VOC 2012, as the split trainaug (1.4 GB)", "lcnb data sbd"),
    "cityscapes": ("say how to get Cityscapes, and unpack it", "lcnb data cityscapes --to ~/data"),
}
"""name -> (help, example) of its part."""
CITYSCAPES = """\
Cityscapes wants a person: nothing can fetch it for you.
1. register at https://www.cityscapes-dataset.com/register/ (with the address of your university or company) and log in
2. at https://www.cityscapes-dataset.com/downloads/ get leftImg8bit_trainvaltest.zip (11 GB, photographs) and
   gtFine_trainvaltest.zip (241 MB, labels); `csDownload` of the package cityscapesscripts gets them too, once you have
   an account
3. put both into {work} and run this again: they are unpacked into {folder};
   or unpack both there yourself, so that it holds leftImg8bit/ and gtFine/
No checksum of them is published. What is checked is each zip's own, and the number of labelled images."""
TO = option("--to", metavar="DIR", help="the folder above it (default: the first of LCNB_DATA, else data/ here)")


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
    for name, (text, example) in FETCHED.items():
        command(parts, name, _get, text, example, _options(name)).set_defaults(name=name, repair=False, mirror=None)
    command(
        parts, "verify", _verify, "hold a data set on disk against its checksums", "lcnb data verify camvid",
        [option("name", choices=FETCHED, metavar="NAME", help=", ".join(FETCHED)), TO],
    )  # fmt: skip


def _options(name: str) -> list[Option]:
    """Of the part that fetches a data set."""
    options = [
        flag("--dry-run", "say what would be fetched, from where, and where to"),
        flag("--verify", "hold what is on disk against its checksums"),
    ]
    if name != "cityscapes":
        text = "a mirror: an https folder with the published files; checksums stay as they are"
        options.append(option("--from", dest="mirror", metavar="URL", help=text))
    if name == "camvid":
        options.append(flag("--repair", "replace files that differ from what is published"))
    return [*options, TO]


def list_all(arguments: argparse.Namespace) -> int:
    """One line for each folder of each data set, with the splits that are read from it."""
    from lcnb.datasets import folders, names, spec

    rows: list[tuple[str, str, str, str]] = [("name", "title", "splits", "folder")]
    for name in names():
        title = spec(name).title
        missing = f"not found; lcnb data {name}" if name in FETCHED else "not found"
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


def _get(arguments: argparse.Namespace) -> int:
    """Fetch, or say what would be."""
    from lcnb.datasets.download import SOURCES, Client, obtain, place, plan
    from lcnb.datasets.download.install import there

    if arguments.verify:
        return _verify(arguments)
    where, client = place(arguments.name, arguments.to), Client(arguments.mirror)
    lines = plan(where, client)
    print(*lines if arguments.dry_run else lines[:3], sep="\n", flush=True)
    if arguments.dry_run:
        print("nothing was fetched (--dry-run)")
        return 0
    by_hand = [a.file for a in SOURCES[where.name].archives if a.login and not there(where.folder, a)]
    if any(not (where.work / file).exists() for file in by_hand):
        print(CITYSCAPES.format(work=where.work, folder=where.folder))
        return 1
    try:
        obtain(where, client, arguments.repair)
    except KeyboardInterrupt:
        print("what has come stays: the same command goes on from there", flush=True)
        raise
    if where.root not in data_roots():
        print(f"to use it: export LCNB_DATA={where.root}")
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    """0 if all that is known about what is on disk holds."""
    from lcnb.datasets.download import place, verify

    fine, text = verify(place(arguments.name, arguments.to))
    if not fine:
        raise DownloadError(text)
    print(text)
    return 0
