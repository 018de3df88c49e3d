"""Commands and their options: how they are declared, and how their values are read."""

from __future__ import annotations

import argparse
import difflib
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from lcnb.errors import LcnbError, first_line, memory_shortage, printable

if TYPE_CHECKING:
    from lcnb.models import LayerCascade

T = TypeVar("T")
Option = tuple[tuple[str, ...], dict[str, Any]]
"""Names and settings, as `add_argument` takes them."""
Options = Sequence[Option | list[Option]]
"""Of a command; a list among them holds options that exclude each other."""
WIDEST = 4.0
"""The largest width of `IRNetConfig`."""


class UsageError(LcnbError):
    """A value on the command line does not fit."""


class Parser(argparse.ArgumentParser):
    """argparse that keeps line breaks, takes no abbreviations and reports one sentence.

    Attributes:
        later: makes those options that need torch; called when this parser is used, so that no other command waits.
    """

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **options)
        self.later: Callable[[Parser], Options] | None = None

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

    def parse_known_args(self, *given: Any, **options: Any) -> Any:
        """As argparse's, with the options of `later`."""
        if self.later is not None:
            make, self.later = self.later, None
            self.add_options(make(self))
        return super().parse_known_args(*given, **options)

    def add_options(self, options: Options) -> None:
        """Add options in order."""
        for one in options:
            to, members = (self.add_mutually_exclusive_group(), one) if isinstance(one, list) else (self, [one])
            for names, settings in members:
                to.add_argument(*names, **settings)

    def show_help(self, _: argparse.Namespace) -> int:
        """What a command does that is called without one of its parts."""
        print(self.format_help(), end="")
        return 0

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


def command(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace], int] | None,
    help_text: str,
    example: str,
    options: Options | Callable[[Parser], Options] = (),
) -> Parser:
    """Add a command.

    Args:
        commands: what `add_subparsers` returned.
        name: of the command.
        run: takes the parsed arguments, returns the exit code; None: prints the command's help.
        help_text: one line.
        example: shown at the end of its help.
        options: of the command, or a function that makes them (`Parser.later`).
    """
    description = f"{help_text[0].upper()}{help_text[1:]}."
    parser = commands.add_parser(name, help=help_text, description=description, epilog=f"example:\n  {example}")
    parser.set_defaults(run=run or parser.show_help)
    parser.add_options([debug(argparse.SUPPRESS)])
    if callable(options):
        parser.later = options
    else:
        parser.add_options(options)
    return parser


def option(*names: str, **settings: Any) -> Option:
    """An option or an argument."""
    return names, settings


def flag(name: str, help_text: str, **settings: Any) -> Option:
    """An option without a value."""
    return option(name, action="store_true", help=help_text, **settings)


def debug(default: Any) -> Option:
    """`--debug`, before or after the command's name."""
    return flag("--debug", "show the traceback of an error", default=default)


def reader(read: Callable[[str], Any], fits: Callable[[Any], bool], refusal: str) -> Callable[[str], Any]:
    """A function that reads a value, and refuses one that does not fit: "0 is no number above 0"."""

    def checked(text: str) -> Any:
        value = read(text)
        if not fits(value):
            raise argparse.ArgumentTypeError(f"{text} is {refusal}")
        return value

    # argparse calls a value that cannot be read "invalid <name> value"
    checked.__name__ = {"int": "whole number", "float": "number"}.get(read.__name__, read.__name__)
    return checked


def whole(least: int, most: int) -> Callable[[str], int]:
    """Reads a whole number within bounds."""
    above = reader(int, lambda value: value >= least, f"no whole number of at least {least}")
    return reader(above, lambda value: value <= most, f"more than {most}")


probability = reader(float, lambda value: 0 <= value <= 1, "no number between 0 and 1")
positive = reader(float, lambda value: 0 < value < float("inf"), "no number above 0")
width = reader(positive, lambda value: value <= WIDEST, f"no factor above 0 and up to {WIDEST:g}")
count = whole(1, 2**31 - 1)
cells = whole(0, 1024)
threads = reader(count, lambda value: value <= 1024, "more than 1024")  # torch ends the process with some numbers
seed = whole(0, 2**32 - 1)


def thresholds(text: str) -> float | tuple[float, ...]:
    """One threshold for all exits, or one for each of the two of lcnb's networks, such as .99,.85."""
    values = tuple(map(probability, text.split(",")))
    if len(values) > 2:
        raise argparse.ArgumentTypeError(f"{text}: one threshold, or one for each of the 2 exits")
    return values[0] if len(values) == 1 else values


def folder_name(text: str) -> str:
    """The name of a folder, and no way to another place."""
    if text in (".", "..") or "/" in text or os.sep in text or not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} is no plain name")
    return text


def builder(text: str) -> str:
    """MODULE:FUNCTION. From then on the working directory can be imported from, as with `python -m`."""
    if not re.fullmatch(r"[\w.]+:\w+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not MODULE:FUNCTION")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    return text


WEIGHTS = option(
    "--weights", metavar="NAME", default="streets-small",
    help="name, folder or file, or the folder of a training run (default: streets-small)",
)  # fmt: skip
BUILDER = option(
    "--builder", type=builder, metavar="MODULE:FUNCTION",
    help="your code that builds the network, for weights and runs of one of your own; it is imported and run",
)  # fmt: skip
DATASET = option("--dataset", help="data set (default: the one the weights were trained on)")
SPLIT = option("--split", default="val", help="split of the data set (default: val)")
CLASSES = option("--classes", choices=("all", "covered7"), default="all", help="covered7 is for voc2012")
LIMIT = option("--limit", type=count, metavar="N", help="score the first N images only")
RHO = option(
    "--rho", type=probability, nargs="+", metavar="R",
    help="threshold in [0, 1], one for all exits or one each (default: the weights' own)",
)  # fmt: skip
HALO = option(
    "--halo", type=cells, metavar="N",
    help="true runs: run a stage on its region grown by N cells, at their cost (default: the weights' own, else 0)",
)  # fmt: skip
DEVICE = option("--device", default="cpu", help="where to run (default: cpu)")
JSON = option("--json", type=Path, metavar="FILE", help="write the result here")


def own_unless(given: Any, own: Any) -> Any:
    """The value of `--rho` or `--halo`, else the weights' own; a sequence of one counts for every exit."""
    value = own if given is None else given
    return value[0] if isinstance(value, Sequence) and len(value) == 1 else value


def loaded(arguments: argparse.Namespace, device: str = "cpu") -> LayerCascade:
    """The cascade that `--weights` and `--builder` name: weights, else what the training run in that folder has so far.

    Raises:
        WeightsError, TrainingError: they are not there, damaged, or need a builder.
    """
    import lcnb
    from lcnb.training.checkpoint import CHECKPOINT
    from lcnb.training.network import of_run

    name, file = arguments.weights, os.path.join(arguments.weights, lcnb.weights.FILE)
    if name in lcnb.weights.available() or os.path.isfile(file) or not os.path.isfile(os.path.join(name, CHECKPOINT)):
        return lcnb.load(name, device, builder=arguments.builder)
    return of_run(Path(name), arguments.builder)[0].to(device)


@contextmanager
def blamed_on(name: str) -> Iterator[None]:
    """Turn a ValueError, TypeError or RuntimeError about the user's value into a sentence that names the option."""
    try:
        yield
    except (ValueError, TypeError, RuntimeError) as error:
        if memory_shortage(error):  # no fault of the option
            raise
        raise UsageError(f"{name}: {first_line(error)}") from error


def usable_device(name: str) -> str:
    """A device that exists here: "cpu", "cuda", "cuda:1", "mps".

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
