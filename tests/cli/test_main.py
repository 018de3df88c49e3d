"""The command itself: help, errors, exit codes, and no torch before it is needed."""

import io
import os
import re
import subprocess
import sys

import pytest

import lcnb as package
from lcnb import cli
from lcnb.cli.console import Live, bar, number, percent, table
from lcnb.cli.options import WIDEST, UsageError, blamed_on
from lcnb.models.irnet import IRNetConfig
from lcnb.paths import cache_root
from tests.cli.conftest import environment, spawn

COMMANDS = ["run", "info", "eval", "train", "bench", "video", "data", "weights"]
PARTS = [["data", "list"], ["data", "show"], ["weights", "list"], ["weights", "show"], ["weights", "pack"]]
PARTS += [["bench", "ops"], ["bench", "model"], ["bench", "systems"]]


def test_version(lcnb):
    assert lcnb("--version") == (0, f"lcnb {package.__version__}\n", "")


def test_the_widest_network_is_the_widest_that_can_be_built():
    IRNetConfig(width=WIDEST)
    with pytest.raises(ValueError, match="width"):
        IRNetConfig(width=WIDEST * 1.001)


def test_help_lists_every_command(lcnb):
    out = lcnb.ok("--help")
    for name in COMMANDS:
        assert re.search(rf"^    {name} +\w", out, re.MULTILINE)


@pytest.mark.parametrize("words", [[c] for c in COMMANDS] + PARTS, ids=" ".join)
def test_each_command_has_help_with_an_example_that_parses(lcnb, words):
    out = lcnb.ok(*words, "--help")
    example = re.search(r"^example:\n  lcnb (.+)$", out, re.MULTILINE)[1].split()
    assert example[: len(words)] == words or words[-1] == example[0]
    cli.parser().parse_args(example)


def test_help_needs_no_torch(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('torch was imported')")
    code = "import sys; sys.path.insert(0, '.'); from lcnb.cli import main; main(['run', '--help'])"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "usage: lcnb run" in result.stdout


def test_without_a_command_there_is_the_overview(lcnb):
    assert lcnb() == lcnb("--help")


@pytest.mark.parametrize(
    ("words", "meant"),
    [(["evaluate"], "eval"), (["trian"], "train"), (["benchmark"], "bench"), (["bench", "modle"], "model")],
)
def test_a_near_miss_gets_a_hint(lcnb, words, meant):
    lcnb.refused(*words, words=f"did you mean {meant!r}?", code=2)


@pytest.mark.parametrize("before", [[], ["--debug"]])
def test_weights_by_name_are_shown(lcnb, data, before):
    assert lcnb(*before, "weights", "tiny") == lcnb(*before, "weights", "show", "tiny")
    assert lcnb("weights") == lcnb("weights", "list")


@pytest.mark.parametrize("command", ["eval", "sweep"])
def test_scores_have_default_weights(command):
    arguments = cli.parser().parse_args([command])
    assert arguments.weights == cli.parser().parse_args(["slider", "x.jpg"]).weights == "streets-small"


@pytest.mark.parametrize("words", [["info"], ["slider", "~/none.jpg"], ["weights", "~/none"]])
def test_a_user_without_a_home_folder(lcnb, data, home, monkeypatch, words):
    pwd = pytest.importorskip("pwd")
    for name in ("HOME", "XDG_CACHE_HOME", "LCNB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", dict[int, str]().__getitem__)  # a KeyError, as for an unlisted user
    _, _, error = lcnb(*words)
    assert "defect" not in error
    assert not (home / "~").exists()
    if words != ["info"]:
        assert "no home folder; set HOME" in error
    assert not str(cache_root()).startswith(str(home / "~"))


@pytest.mark.parametrize("arguments", [["--debug", "weights", "show", "x"], ["weights", "show", "x", "--debug"]])
def test_debug_shows_the_traceback(lcnb, arguments):
    code, _, error = lcnb(*arguments)
    assert code == 1
    assert "Traceback (most recent call last)" in error
    assert "lcnb: error: no weights named 'x'" in error


def raising(monkeypatch, error):
    def run(_):
        raise error

    monkeypatch.setattr("lcnb.cli.data.list_all", run)


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (KeyboardInterrupt(), 130, "lcnb: stopped\n"),
        (PermissionError(13, "Permission denied", "/x"), 1, "lcnb: error: /x: Permission denied\n"),
        (ImportError("No module named 'torch'"), 1, "lcnb: error: No module named 'torch'; `lcnb info` says what"),
        (KeyError("a\nb"), 1, "lcnb: error: KeyError: 'a\\nb' (this is a defect of lcnb; --debug shows where)\n"),
    ],
)
def test_exit_codes(lcnb, monkeypatch, error, code, words):
    raising(monkeypatch, error)
    result = lcnb("data")
    assert result[0] == code
    assert result[2].startswith(words)


@pytest.mark.skipif(os.name == "nt", reason="a pipe breaks in another way")
def test_a_reader_that_goes_away_is_no_error(home):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "lcnb", "data", "list"]
    with os.fdopen(writer, "w") as out:
        result = subprocess.run(
            command, stdout=out, stderr=subprocess.PIPE, env=environment(), cwd=home, text=True, check=False
        )
    assert result.returncode == 141
    assert result.stderr == ""


def test_module_twin(home):
    result = spawn("--version", cwd=home)
    assert (result.returncode, result.stdout) == (0, f"lcnb {package.__version__}\n")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_live_line_on_a_terminal_only(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "10")
    for stream, shown in ((Terminal(), "\r\x1b[Kabcdefghi\r\x1b[K"), (io.StringIO(), "")):
        monkeypatch.setattr(sys, "stderr", stream)
        with Live() as live:
            live.show("abcdefghijkl")
            live.show("too soon")
        assert stream.getvalue() == shown


def test_texts():
    assert table([("a", "bb"), ("ccc", 1)], right=(1,)) == "a    bb\n---  --\nccc   1"
    assert (bar(1, 4, 8), bar(0, 0, 2)) == ("[##......]", "[..]")
    assert (number(None), number(0.12345), percent(0.4123), percent(None)) == ("-", "0.123", "41.2 %", "-")


def test_blame_keeps_the_first_line():
    with pytest.raises(UsageError, match=r"^--x: one$"), blamed_on("--x"):
        raise ValueError("one\ntwo")


def test_run_says_what_to_install(lcnb, home, monkeypatch):
    monkeypatch.setattr("lcnb.cli.run.NEEDED", ("papermill", "no_such_module"))
    command = 'pip install "lcnb[notebooks]"'  # `home` is no checkout
    lcnb.refused("run", words=f"running notebooks needs no_such_module; install with `{command}`")
