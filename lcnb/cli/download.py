"""`lcnb data camvid` and its like: fetch a data set, say what would be fetched, look at what is there."""

from __future__ import annotations

import argparse
from typing import Any

from lcnb.cli.options import command
from lcnb.errors import DownloadError
from lcnb.paths import data_roots

HELP = {
    "camvid": "fetch CamVid (190 MB)",
    "voc2012": "fetch PASCAL VOC 2012 (2 GB)",
    "sbd": "fetch SBD's masks into PASCAL VOC 2012, as the split trainaug (1.4 GB)",
    "cityscapes": "say how to get Cityscapes, and unpack it",
}
EXAMPLES = {
    "camvid": "lcnb data camvid --to ~/data",
    "voc2012": "lcnb data voc2012 --dry-run",
    "sbd": "lcnb data sbd",
    "cityscapes": "lcnb data cityscapes --to ~/data",
}


CITYSCAPES = """\
Cityscapes wants a person: nothing can fetch it for you.
1. register at https://www.cityscapes-dataset.com/register/ (with the address of your university or company) and log in
2. at https://www.cityscapes-dataset.com/downloads/ get leftImg8bit_trainvaltest.zip (11 GB, photographs) and
   gtFine_trainvaltest.zip (241 MB, labels); `csDownload` of the package cityscapesscripts gets them too, once you have
   an account
3. put both into {work} and run this again: they are unpacked into {folder};
   or unpack both there yourself, so that it holds leftImg8bit/ and gtFine/
No checksum of them is published. What is checked is each zip's own, and the number of labelled images."""


def add(parts: Any) -> None:
    """A subcommand for each data set, and `verify`."""
    for name, text in HELP.items():
        one = command(parts, name, _get, text, EXAMPLES[name])
        one.set_defaults(name=name, repair=False, mirror=None)
        one.add_argument("--dry-run", action="store_true", help="say what would be fetched, from where, and where to")
        one.add_argument("--verify", action="store_true", help="hold what is on disk against its checksums")
        if name != "cityscapes":
            one.add_argument(
                "--from", dest="mirror", metavar="URL",
                help="a mirror: an https folder with the published files; checksums stay as they are",
            )  # fmt: skip
        if name == "camvid":
            one.add_argument("--repair", action="store_true", help="replace files that differ from what is published")
        _to(one)
    check = command(
        parts, "verify", _verify, "hold a data set on disk against its checksums", "lcnb data verify camvid"
    )
    check.add_argument("name", choices=HELP, metavar="NAME", help=", ".join(HELP))
    _to(check)


def _to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--to",
        metavar="DIR",
        help="the folder above it (default: the first of LCNB_DATA, else data/ here)",
    )


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
