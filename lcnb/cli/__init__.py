"""The `lcnb` command. Nothing heavy is imported before a command runs, so that `--help` is quick."""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any, TextIO

import lcnb
from lcnb.cli import (
    bench,
    classroom,
    data,
    evaluate,
    export,
    info,
    reproduce,
    run,
    train,
    video,
    weights,
)
from lcnb.cli.options import Parser, debug
from lcnb.errors import REASONS, LcnbError, memory_shortage, printable, shared_memory_shortage
from lcnb.paths import NO_HOME

COMMANDS = (run, info, classroom, evaluate, train, reproduce, bench, export, video, data, weights)
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
        The exit code: 0, 1 after an error, 2 for a wrong call, 130 after Ctrl-C, 129 or 143 after SIGHUP or SIGTERM.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    arguments = argparse.Namespace(debug="--debug" in given)
    try:
        with unwound():
            arguments = parser().parse(weights.with_part(given))
            arguments.argv = given
            code = arguments.run(arguments)
            _flush()
        return code
    except (KeyboardInterrupt, Ended) as end:
        _say("lcnb: stopped")
        return end.code if isinstance(end, Ended) else 130  # type: ignore[return-value]  # always a number
    except SystemExit as end:  # argparse has said what was wrong
        return end.code if isinstance(end.code, int) else 1
    except BrokenPipeError:
        _silence(sys.stdout)
        return 141
    except Exception as error:
        return _fail(error, arguments)


def parser() -> Parser:
    """The whole command line."""
    root = Parser(
        prog="lcnb",
        description="Deep Layer Cascade: difficulty-aware semantic segmentation, in notebooks.",
        epilog=EPILOG,
    )
    root.set_defaults(run=root.show_help)
    root.add_argument("--version", action="version", version=f"lcnb {lcnb.__version__}")
    root.add_options([debug(default=False)])
    commands = root.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    for module in COMMANDS:
        module.add(commands)
    return root


def _fail(error: Exception, arguments: argparse.Namespace) -> int:
    if arguments.debug:
        traceback.print_exception(error)
    _say(f"lcnb: error: {_sentence(error, arguments)}")
    if isinstance(error, OSError):
        with contextlib.suppress(OSError):
            _flush()
            return 1
        _silence(sys.stdout)  # it was the one that could not be written
    return 1


def _say(text: str) -> None:
    """To standard error, unless that is gone or full: the exit code says the same."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        _silence(sys.stderr)


def _flush() -> None:
    if sys.stdout is not None:  # None where a script has closed it
        sys.stdout.flush()


def _sentence(error: Exception, arguments: argparse.Namespace) -> str:
    """What went wrong, on one line."""
    if isinstance(error, LcnbError):
        text = str(error)
    elif full := shared_memory_shortage(error):
        text = full
    elif shortage := memory_shortage(error):
        text = f"{shortage}; {_smaller(arguments, 'GPU' in shortage)}"
    elif isinstance(error, OSError) and error.strerror:
        nameless = f"standard output, or a file, cannot be written ({error.strerror})"
        why = REASONS[error.errno] if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS) else error.strerror
        text = f"{error.filename}: {why}" if error.filename else nameless
    elif isinstance(error, ImportError):
        text = f"{error}; `lcnb info` says what is wrong with this installation"
    elif isinstance(error, RuntimeError) and "home directory" in str(error):  # pathlib's
        text = NO_HOME
    else:
        text = f"{type(error).__name__}: {error} (this is a defect of lcnb; --debug shows where)"
    return printable(" ".join(text.split()))


def _smaller(arguments: argparse.Namespace, gpu: bool) -> str:
    """What the command has that takes less memory when it is lower."""
    names = [f"--{name}" for name in ("batch", "crop", "width", "size", "longest") if hasattr(arguments, name)]
    way = f"lower {' or '.join(names)}" if names else "take smaller images"
    return f"{way}, or give --device cpu" if gpu else f"{way}, or close what else is running"


def _silence(stream: TextIO) -> None:
    """The reader of our output has gone, or its disk is full: keep Python from complaining about it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class Ended(SystemExit):
    """This process was asked to end; the exit code is the shell's for that signal."""


@contextlib.contextmanager
def unwound() -> Iterator[None]:
    """While entered, SIGTERM and SIGHUP raise `Ended`; the first of them only.

    Python's own answer to them (`kill`, a cluster whose time is over, a closed terminal) is to end at once. Here they
    unwind the command as Ctrl-C does, so that half-written files go. What is ignored (`nohup`) stays ignored.
    """
    before: dict[int, Any] = {}

    def stop(number: int, frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise Ended(128 + number)

    if threading.current_thread() is threading.main_thread():
        numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
        before = {n: signal.getsignal(n) for n in numbers if signal.getsignal(n) == signal.SIG_DFL}
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
