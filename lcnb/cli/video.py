"""`lcnb video`: a clip through the dense network and the cascade, as a film with counters, and the numbers."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lcnb.cli.console import Live, bar, percent
from lcnb.cli.evaluate import stage_numbers
from lcnb.cli.options import UsageError, blamed_on, command, count, probability, usable_device
from lcnb.errors import printable
from lcnb.paths import check_writable, write_json

if TYPE_CHECKING:
    import numpy as np

    from lcnb.video import Clip, Duel, Painter, Summary, VideoError


def add(commands: Any) -> None:
    """The command's options."""
    parser = command(
        commands,
        "video",
        run,
        "run a clip through the dense network and the cascade, and write a film of both",
        "lcnb video data/streets/drive.mp4 --out build/drive.mp4 --max-frames 50",
    )
    parser.add_argument("clip", metavar="CLIP", help="a film: mp4, mov, webm, ... of any size")
    parser.add_argument(
        "--out", type=Path, metavar="FILE.mp4", help="the film (default: a new file here, CLIP-cascade.mp4)"
    )
    parser.add_argument(
        "--weights", default="streets-small", metavar="NAME", help="name, folder or file (default: streets-small)"
    )
    parser.add_argument(
        "--rho", type=probability, nargs="+", metavar="R",
        help="threshold in [0, 1], one for all exits or one each (default: the weights' own)",
    )  # fmt: skip
    parser.add_argument("--device", default="cpu", help="where to run (default: cpu)")
    parser.add_argument("--every", type=count, default=1, metavar="N", help="take every Nth frame (default: 1)")
    parser.add_argument("--max-frames", type=count, metavar="N", help="stop after so many frames")
    parser.add_argument(
        "--longest", type=count, default=640, metavar="PIXELS",
        help="scale larger frames down to this longer side (default: 640)",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the times here, with where they were taken")


def run(arguments: argparse.Namespace) -> int:
    """Run, write, report."""
    import lcnb
    from lcnb.benchmark.load import LoadWatch
    from lcnb.machine import command as repeat
    from lcnb.machine import machine
    from lcnb.video import Clip, Duel, Painter, Summary, VideoError, write_video

    arguments.out = arguments.out or _unused(arguments.clip)
    check_writable(arguments.out, arguments.json)
    clip = Clip(arguments.clip, arguments.longest)
    if arguments.out.resolve() == clip.path.resolve():
        raise UsageError(f"--out {arguments.out}: that is the clip itself; give the film another name")
    cascade = lcnb.load(arguments.weights, usable_device(arguments.device))
    rho = arguments.rho[0] if arguments.rho is not None and len(arguments.rho) == 1 else arguments.rho
    with blamed_on("--rho"):
        duel = Duel(cascade, rho)
    summary, about = Summary(), machine()
    painter = Painter(_classes(cascade), clip.size, caption=f"measured on {where(about)}")
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
    print(report(result))
    print(f"\nwritten to {arguments.out}")
    if arguments.json is not None:
        write_json(arguments.json, result)
        print(f"written to {arguments.json}")
    if problems:
        raise VideoError(f"the film is partial: {problems[0]}")
    return 0


def _unused(clip: str) -> Path:
    """A name for the film, after the clip's, that no file here has."""
    stem, number = f"{printable(Path(clip).stem)}-cascade", 1
    while os.path.lexists(name := Path(f"{stem}{f'-{number}' if number > 1 else ''}.mp4")):
        number += 1
    return name


def _classes(cascade: Any) -> list[str]:
    """Names of the classes; numbers where the weights do not say."""
    return list(cascade.meta.get("classes") or map(str, range(cascade.config["num_classes"])))


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
            done = compared.number + 1
            many = f"{bar(done, total)} frame {done} of {total}" if total else f"frame {done}"
            live.show(f"{many}: dense {compared.dense.fps:.1f} FPS, cascade {compared.cascade.fps:.1f} FPS")
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

    rho = result["rho"] if isinstance(result["rho"], float | int) else " / ".join(map(str, result["rho"]))
    names = {"dense": f"dense ({result['dense_form']})", "cascade": f"cascade, rho {rho}"}
    width = max(map(len, names.values()))
    lines = [f"{result['clip']}: {result['frames']} frames of {result['size'][1]}x{result['size'][0]}", ""]
    for side, name in names.items():
        speed = result["fps"][side]
        lines.append(f"{name.ljust(width)}  {speed:6.2f} FPS  {1000 / speed:7.1f} ms, the median frame")
    busy = busy_sentence(result["load"])
    return "\n".join(
        [
            *lines,
            f"the cascade is {result['speedup']:.2f} times as fast (ratio of medians; frames in turns)",
            f"cells left at stage {stage_numbers(result['exits'])}: {' / '.join(map(percent, result['exits']))}",
            f"inside the time: {', '.join(INSIDE)}; outside: {', '.join(OUTSIDE)}",
            f"machine: {where(result['machine'])}",
            *([busy] if busy else []),
        ]
    )
