"""`lcnb video`: a clip through the dense network and the cascade, as a film with counters, and the numbers."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lcnb.cli.console import Live, each, percents, publish, stage_numbers, table
from lcnb.cli.options import (
    BUILDER,
    DEVICE,
    RHO,
    WEIGHTS,
    UsageError,
    blamed_on,
    command,
    count,
    loaded,
    option,
    own_unless,
    usable_device,
)
from lcnb.errors import printable
from lcnb.machine import command as repeat
from lcnb.machine import machine
from lcnb.paths import check_writable

if TYPE_CHECKING:
    import numpy as np

    from lcnb.video import Clip, Duel, Painter, Summary, VideoError


def add(commands: Any) -> None:
    """The command's options."""
    command(
        commands, "video", run, "run a clip through the dense network and the cascade, and write a film of both",
        "lcnb video data/streets/drive.mp4 --out build/drive.mp4 --max-frames 50",
        [
            option("clip", metavar="CLIP", help="a film: mp4, mov, webm, ... of any size"),
            option(
                "--out", type=Path, metavar="FILE.mp4", help="the film (default: a new file here, CLIP-cascade.mp4)"
            ),
            WEIGHTS,
            BUILDER,
            RHO,
            DEVICE,
            option("--every", type=count, default=1, metavar="N", help="take every Nth frame (default: 1)"),
            option("--max-frames", type=count, metavar="N", help="stop after so many frames"),
            option(
                "--longest", type=count, default=640, metavar="PIXELS",
                help="scale larger frames down to this longer side (default: 640)",
            ),
            option("--json", type=Path, metavar="FILE", help="write the times here, with where they were taken"),
        ],
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Run, write, report."""
    from lcnb.benchmark.load import LoadWatch
    from lcnb.video import Clip, Duel, Painter, Summary, VideoError, write_video

    arguments.out = arguments.out or _unused(arguments.clip)
    check_writable(arguments.out, arguments.json)
    clip = Clip(arguments.clip, arguments.longest)
    if arguments.out.resolve() == clip.path.resolve():
        raise UsageError(f"--out {arguments.out}: that is the clip itself; give the film another name")
    cascade = loaded(arguments, usable_device(arguments.device))
    with blamed_on("--rho"):
        duel = Duel(cascade, own_unless(arguments.rho, None))
    summary, about = Summary(), machine()
    classes = cascade.meta.get("classes") or map(str, range(cascade.config["num_classes"]))
    painter = Painter(list(classes), clip.size, caption=f"measured on {where(about)}")
    watch = LoadWatch(even_if_busy=True)
    problems: list[VideoError] = []
    with Live() as live:
        film = _film(arguments, clip, duel, painter, summary, live, problems)
        write_video(arguments.out, film, clip.fps / arguments.every)
    result = {
        "clip": clip.path.name, "size": list(clip.size), "weights": cascade.meta["name"], "rho": duel.rho,
        "dense_form": duel.opponent, **summary.as_dict(), "partial": str(problems[0]) if problems else None,
        "load": watch.end().as_dict(), "machine": about,
        "command": repeat(arguments.argv),
    }  # fmt: skip
    publish(f"{report(result)}\n\nwritten to {arguments.out}", result, arguments.json)
    if problems:
        raise VideoError(f"the film is partial: {problems[0]}")
    return 0


def _unused(clip: str) -> Path:
    """A name for the film, after the clip's, that no file here has."""
    stem, number = f"{printable(Path(clip).stem)}-cascade", 1
    while os.path.lexists(name := Path(f"{stem}{f'-{number}' if number > 1 else ''}.mp4")):
        number += 1
    return name


def _film(
    arguments: argparse.Namespace,
    clip: Clip,
    duel: Duel,
    painter: Painter,
    summary: Summary,
    live: Live,
    problems: list[VideoError],
) -> Iterator[np.ndarray]:
    """The film's frames; it ends early, with the reason in `problems`, if no more of the clip can be read."""
    from lcnb.video import VideoError

    total = clip.expected(arguments.every, arguments.max_frames)
    try:
        for compared in duel.compare(clip.frames(arguments.every, arguments.max_frames)):
            summary.note(compared)
            assert compared.dense is not None
            assert compared.cascade is not None
            speeds = f": dense {compared.dense.fps:.1f} FPS, cascade {compared.cascade.fps:.1f} FPS"
            live.progress("frame", compared.number + 1, total, after=speeds)
            yield painter(compared)
    except VideoError as error:
        problems.append(error)


def where(machine: dict[str, Any]) -> str:
    """A machine in a few words."""
    processor = machine["gpu"] or f"{machine['cores']} cores of {machine['cpu']}, no GPU"
    return f"{processor}, torch {str(machine['torch']).split('+')[0]}, {machine['threads']} threads"


def report(result: dict[str, Any]) -> str:
    """The result for people."""
    from lcnb.benchmark.load import busy_sentence
    from lcnb.video.compare import INSIDE, OUTSIDE

    names = {"dense": f"dense ({result['dense_form']})", "cascade": f"cascade, rho {each(result['rho'])}"}
    speeds = [(name, result["fps"][side]) for side, name in names.items()]
    rows = [(name, f"{fps:.2f} FPS", f"{1000 / fps:.1f} ms, the median frame") for name, fps in speeds]
    busy = busy_sentence(result["load"])
    return "\n".join(
        [
            f"{result['clip']}: {result['frames']} frames of {result['size'][1]}x{result['size'][0]}\n",
            table(rows, right=(1, 2), head=False),
            f"the cascade is {result['speedup']:.2f} times as fast (ratio of medians; frames in turns)",
            f"exits at stage {stage_numbers(result['exits'])}: {percents(result['exits'])}",
            f"inside the time: {', '.join(INSIDE)}; outside: {', '.join(OUTSIDE)}",
            f"machine: {where(result['machine'])}",
            *([busy] if busy else []),
        ]
    )
