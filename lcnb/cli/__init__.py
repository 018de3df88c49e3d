"""The `lcnb` command. Nothing heavy is imported before a command runs, so that `--help` is quick."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

from lcnb.cli import bench, check, data, evaluate, info, reproduce, run, slider, sweep, train, video, weights
from lcnb.cli.options import Parser, add_debug
from lcnb.errors import LcnbError, printable

COMMANDS = (run, info, check, evaluate, sweep, train, reproduce, bench, slider, video, data, weights)
EPILOG = """\
example:
  lcnb run --dataset streets --profile quick    execute every notebook, with an index page
  lcnb COMMAND --help                           options and an example of each command
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: arguments; those of the process if None.

    Returns:
        The exit code: 0, 1 after an error, 2 for a wrong call, 130 after Ctrl-C.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    try:
        arguments = parser().parse(given)
    except SystemExit as end:  # argparse has said what was wrong
        return end.code if isinstance(end.code, int) else 1
    arguments.argv = given
    try:
        code = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("lcnb: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        _silence_stdout()
        return 141
    except Exception as error:
        return _fail(error, arguments.debug)


def parser() -> Parser:
    """The whole command line."""
    from lcnb import __version__

    root = Parser(
        prog="lcnb",
        description="Deep Layer Cascade: difficulty-aware semantic segmentation, in notebooks.",
        epilog=EPILOG,
    )
    root.add_argument("--version", action="version", version=f"lcnb {__version__}")
    add_debug(root, default=False)
    commands = root.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=Parser)
    for module in COMMANDS:
        module.add(commands)
    return root


def _fail(error: Exception, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    print(f"lcnb: error: {_sentence(error)}", file=sys.stderr)
    return 1


def _sentence(error: Exception) -> str:
    """What went wrong, on one line."""
    if isinstance(error, LcnbError):
        text = str(error)
    elif isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    elif isinstance(error, ImportError):
        text = f"{error}; `lcnb info` says what is wrong with this installation"
    else:
        text = f"{type(error).__name__}: {error} (this is a defect of lcnb; --debug shows where)"
    return printable(" ".join(text.split()))


def _silence_stdout() -> None:
    """The reader of our output has gone: keep Python from complaining about it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
