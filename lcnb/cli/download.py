"""`lcnb data camvid` and its like: fetch a data set, say what would be fetched, look at what is there."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING, Any

from lcnb.cli.console import Live, bar
from lcnb.cli.options import command
from lcnb.errors import DownloadError

if TYPE_CHECKING:
    from lcnb.downloads import Place

HELP = {
    "camvid": "fetch CamVid (190 MB)",
    "voc2012": "fetch PASCAL VOC 2012 (2 GB)",
    "sbd": "fetch SBD's masks into PASCAL VOC 2012, as the split trainaug (1.4 GB)",
    "coco": "fetch COCO 2017 (20 GB); nothing here reads it yet",
    "cityscapes": "say how to get Cityscapes, and unpack it",
}
EXAMPLES = {
    "camvid": "lcnb data camvid --to ~/data",
    "voc2012": "lcnb data voc2012 --dry-run",
    "sbd": "lcnb data sbd",
    "coco": "lcnb data coco --only val2017 annotations_trainval2017",
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
        one.set_defaults(name=name, only=[], repair=False, mirror=None)
        one.add_argument("--dry-run", action="store_true", help="say what would be fetched, from where, and where to")
        one.add_argument("--verify", action="store_true", help="hold what is on disk against its checksums")
        if name != "cityscapes":
            one.add_argument(
                "--from", dest="mirror", metavar="URL",
                help="a mirror: an https folder with the published files; checksums stay as they are",
            )  # fmt: skip
        if name == "camvid":
            one.add_argument("--repair", action="store_true", help="replace files that differ from what is published")
        if name == "coco":
            one.add_argument("--only", nargs="+", default=[], metavar="PART", help="some of its parts; see --dry-run")
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
    from lcnb.downloads import Session, obtain, place, plan
    from lcnb.downloads.https import checked

    if arguments.verify:
        return _verify(arguments)
    where = place(arguments.name, arguments.to)
    mirror = None if arguments.mirror is None else checked(arguments.mirror)
    with Meter() as meter:
        session = Session(progress=meter, say=meter.say, pausing=meter.pause, mirror=mirror)
        lines = plan(arguments.name, where, session, arguments.only)
        for line in lines if arguments.dry_run else lines[:3]:
            meter.say(line)
        if arguments.dry_run:
            meter.say("nothing was fetched (--dry-run)")
            return 0
        if arguments.name == "cityscapes" and _left_to_do(where):
            meter.say(CITYSCAPES.format(work=where.work, folder=where.folder))
            return 1
        try:
            obtain(arguments.name, where, session, only=arguments.only, repair=arguments.repair)
        except KeyboardInterrupt:
            meter.say("what has come stays: the same command goes on from there")
            raise
        if hint := where.hint():
            meter.say(hint)
    return 0


def _left_to_do(where: Place) -> list[str]:
    """Archives that only a person can get, and that are neither unpacked nor in the folder for it."""
    from lcnb.downloads import SOURCES
    from lcnb.downloads.parts import there

    archives = [a for a in SOURCES["cityscapes"].archives if not there(where.folder, a)]
    return [a.file for a in archives if not (where.work / a.file).exists()]


def _verify(arguments: argparse.Namespace) -> int:
    """0 if all that is known about what is on disk holds."""
    from lcnb.downloads import Session, place, verify

    with Meter() as meter:
        report = verify(arguments.name, place(arguments.name, arguments.to), Session(progress=meter))
    if not report.ok:
        raise DownloadError(report.text)
    print(report.text)
    return 0


class Meter(Live):
    """The live line of a transfer, and sentences above it."""

    def __init__(self) -> None:
        super().__init__()
        self.what, self.since, self.first = "", 0.0, 0

    def __call__(self, what: str, done: int, total: int | None, unit: str = "bytes") -> None:
        """Draw how far it is, and how fast."""
        if what != self.what:
            self.what, self.since, self.first = what, time.monotonic(), done
        rate = (done - self.first) / max(time.monotonic() - self.since, 0.1)
        if unit == "bytes":
            of, speed = f"{done / 1e6:,.1f} MB" + (f" of {total / 1e6:,.1f}" if total else ""), f"{rate / 1e6:.1f} MB/s"
        else:
            of, speed = f"{done:,}" + (f" of {total:,}" if total else "") + f" {unit}", f"{rate:.0f} a second"
        self.show(f"{bar(done, total) + ' ' if total else ''}{of}  {speed}  {what}")

    def say(self, text: str) -> None:
        """A line of its own."""
        self.clear()
        print(text, flush=True)

    def pause(self, text: str) -> None:
        """What is waited for; it stays readable also where there is no live line."""
        self.clear()
        print(text, file=sys.stderr, flush=True)
