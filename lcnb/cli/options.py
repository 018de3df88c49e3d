"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

from lcnb.errors import LcnbError, memory_shortage, printable

T = TypeVar("T")
EXITS = 2
"""Exits of IRNet's cascade that have a threshold."""
WIDEST = 4.0
"""The largest width of `IRNetConfig`."""


class UsageError(LcnbError):
    """A value on the command line does not fit."""


class Parser(argparse.ArgumentParser):
    """argparse that keeps line breaks, takes no abbreviations and reports one sentence."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Print what is wrong with the call, and end with 2."""
        self.exit(2, f"lcnb: error: {printable(' '.join(message.split()))}; see `{self.prog} --help`\n")

    def parse(self, args: Sequence[str]) -> argparse.Namespace:
        """As `parse_args`, but an argument without a letter is refused: it would silently stand for a default."""
        for number, text in enumerate(args, start=1):
            if not text.strip():
                self.error(f"argument {number} is empty; leave it out, or set the variable that it comes from")
            if "\0" in text:
                self.error(f"argument {number} holds a NUL character, which no name can")
        return self.parse_args(args)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """As argparse's, with the choice that looks most like the value."""
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            if near := difflib.get_close_matches(str(value), [str(choice) for choice in action.choices or ()], 1):
                error.message += f": did you mean {near[0]!r}?"
            raise

    def _print_message(self, message: str, file: Any = None) -> None:
        """Argparse would say nothing where nothing can be written; the help is what was asked for."""
        if file is not None:
            file.write(message)
            file.flush()


def command(commands: Any, name: str, run: Any, help_text: str, example: str, **options: Any) -> Parser:
    """Add a command.

    Args:
        commands: what `add_subparsers` returned.
        name: of the command.
        run: takes the parsed arguments, returns the exit code.
        help_text: one line.
        example: shown at the end of its help.
    """
    options.setdefault("description", f"{help_text[0].upper()}{help_text[1:]}.")
    parser = commands.add_parser(name, help=help_text, epilog=f"example:\n  {example}", **options)
    parser.set_defaults(run=run)
    add_debug(parser, default=argparse.SUPPRESS)
    return parser


def add_debug(parser: argparse.ArgumentParser, default: Any) -> None:
    """`--debug`, before or after the command's name."""
    parser.add_argument("--debug", action="store_true", default=default, help="show the traceback of an error")


def probability(text: str) -> float:
    """A threshold; NaN and values outside [0, 1] are refused."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no number between 0 and 1")
    return value


def thresholds(text: str) -> float | tuple[float, ...]:
    """One threshold for all exits, or one for each, such as .99,.85."""
    values = tuple(map(probability, text.split(",")))
    if len(values) > EXITS:
        raise argparse.ArgumentTypeError(f"{text}: one threshold, or one for each of the {EXITS} exits")
    return values[0] if len(values) == 1 else values


def positive(text: str) -> float:
    """A number above zero and below infinity."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no number above 0")
    return value


def count(text: str) -> int:
    """A whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is no whole number of at least 1")
    return _bounded(value, 2**31 - 1)


def cells(text: str) -> int:
    """How many cells a region is grown by."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is no whole number of at least 0")
    return _bounded(value, 1024)


def add_halo(parser: argparse.ArgumentParser) -> None:
    """`--halo`, of true runs."""
    parser.add_argument(
        "--halo", type=cells, metavar="N",
        help="true runs: run a stage on its region grown by N cells, at their cost (default: the weights' own, else 0)",
    )  # fmt: skip


def threads(text: str) -> int:
    """How many threads torch is to use; it takes any number, and ends the process with some."""
    return _bounded(count(text), 1024)


def seed(text: str) -> int:
    """A seed that every generator of random numbers takes."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is no whole number of at least 0")
    return _bounded(value, 2**32 - 1)


def width(text: str) -> float:
    """A factor on a network's channels."""
    value = positive(text)
    if value > WIDEST:
        raise argparse.ArgumentTypeError(f"{text} is no factor above 0 and up to {WIDEST:g}")
    return value


def folder_name(text: str) -> str:
    """The name of a folder, and no way to another place."""
    if text in (".", "..") or "/" in text or os.sep in text or not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} is no plain name")
    return text


def _bounded(value: int, most: int) -> int:
    if value > most:
        raise argparse.ArgumentTypeError(f"{value} is more than {most}")
    return value


_NAMES = ((probability, "number"), (positive, "number"), (width, "number"), (count, "whole number"))
for _reader, _name in (*_NAMES, (cells, "whole number"), (threads, "whole number"), (seed, "whole number")):
    _reader.__name__ = _name  # argparse calls a value that cannot be read "invalid <name> value"


@contextmanager
def blamed_on(option: str) -> Iterator[None]:
    """Turn a ValueError, TypeError or RuntimeError about the user's value into a sentence that names the option."""
    try:
        yield
    except (ValueError, TypeError, RuntimeError) as error:
        if memory_shortage(error):  # no fault of the option
            raise
        first = str(error).strip().splitlines()[0]
        raise UsageError(f"{option}: {first}") from error


def usable_device(name: str) -> str:
    """A device that is there: "cpu", "cuda", "cuda:1", "mps".

    Raises:
        UsageError: torch knows no such device, or this machine has none.
    """
    from lcnb.devices import usable

    try:
        device = usable(name)
    except LcnbError as error:
        raise UsageError(f"--device {error}") from None
    if device.type == "meta":
        raise UsageError("--device meta: nothing is computed there")
    return str(device)


def or_on_cpu(device: str, work: Callable[[str], T]) -> T:
    """Do some work on a device; where its memory does not suffice, say so and do it on the CPU.

    Args:
        device: as the user named it; checked by `work`.
        work: takes the device; called again from the start.
    """
    try:
        return work(device)
    except (MemoryError, RuntimeError) as error:
        shortage = memory_shortage(error)
        if shortage is None or device == "cpu":
            raise
    # Outside of the except block, where the failed attempt's tensors are no longer kept alive by its traceback.
    print(f"lcnb: {shortage}: going on on the CPU, which takes longer", file=sys.stderr, flush=True)
    if device.startswith("cuda"):
        import torch

        torch.cuda.empty_cache()
    return work("cpu")
