"""Command lines that mean nothing, or too much: one sentence each, and no traceback whatever the words are."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lcnb.cli import COMMANDS, main
from tests.trust_inputs.files import PNG

EVAL = ("eval", "--weights", "tiny")
TRAIN = ("train", "--dataset", "camvid", "--out", "run")
MODEL = ("bench", "model", "--even-if-busy")
SLIDER = ("slider", "photo.png", "--weights", "tiny")
MINE = ("reproduce", "T1", "--preset", "camvid-small", "--weights", "tiny")

CALLS = [
    (("nope",), "invalid choice: 'nope'"),
    (("--nope", "info"), "unrecognized arguments: --nope"),
    (("eval", "--weights"), "expected one argument"),
    ((*EVAL, "--weigh", "x"), "unrecognized arguments: --weigh"),
    ((*EVAL, "--model", "fcn_resnet101"), "not allowed with"),
    ((*EVAL, "--limit", "-1"), "--limit: -1 is no whole number of at least 1"),
    ((*EVAL, "--limit", "0"), "--limit: 0 is no whole number of at least 1"),
    ((*EVAL, "--limit", "1e3"), "invalid whole number value: '1e3'"),
    ((*EVAL, "--limit", "9" * 30), "is more than 2147483647"),
    ((*EVAL, "--rho", "nan"), "--rho: nan is no number between 0 and 1"),
    ((*EVAL, "--rho", "inf"), "--rho: inf is no number between 0 and 1"),
    ((*EVAL, "--rho", "-0.1"), "--rho: -0.1 is no number between 0 and 1"),
    ((*EVAL, "--rho", "1.0001"), "--rho: 1.0001 is no number between 0 and 1"),
    ((*EVAL, "--rho", "high"), "invalid number value: 'high'"),
    ((*EVAL, "--rho", ".5,.6"), "invalid number value: '.5,.6'"),
    ((*EVAL, "--mode", "x"), "invalid choice: 'x'"),
    ((*EVAL, "--dataset", ""), "argument 5 is empty"),
    ((*EVAL, "--dataset", " "), "argument 5 is empty"),
    ((*EVAL, "--dataset", "a\0b"), "argument 5 holds a NUL"),
    (("run", ""), "argument 2 is empty"),
    (("run", "a\nb", "--x\x1b[31m"), "unrecognized arguments: --x?[31m"),
    (("run", "--timeout", "nan"), "--timeout: nan is no number above 0"),
    (("run", "--timeout", "inf"), "--timeout: inf is no number above 0"),
    (("run", "--seed", "9" * 30), "is more than 4294967295"),
    (("run", "--seed", "-1"), "-1 is no whole number of at least 0"),
    ((*TRAIN, "--lr", "nan"), "--lr: nan is no number above 0"),
    ((*TRAIN, "--crop", "0", "5"), "--crop: 0 is no whole number"),
    ((*TRAIN, "--crop", "5"), "expected 2 arguments"),
    ((*TRAIN, "--batch", "0"), "--batch: 0 is no whole number"),
    ((*TRAIN, "--seed", "1.5"), "invalid whole number value: '1.5'"),
    ((*MODEL, "--size", "-5", "5"), "--size: -5 is no whole number of at least 1"),
    ((*MODEL, "--width", "nan"), "--width: nan is no number above 0"),
    ((*MODEL, "--width", "99"), "--width: 99 is no factor above 0 and up to 4"),
    (("bench", "systems", "--width", "99"), "--width: 99 is no factor above 0 and up to 4"),
    ((*MODEL, "--threads", "9" * 20), "is more than 2147483647"),
    ((*MODEL, "--threads", "100000"), "100000 is more than 1024"),
    ((*MODEL, "--exits", ".9,.9"), "together at most 1"),
    ((*MODEL, "--exits", "nan,.1"), "nan is no number between 0 and 1"),
    ((*MODEL, "--dtype", "int8"), "invalid choice: 'int8'"),
    (("reproduce", "T9"), "invalid choice: 'T9'"),
    ((*MINE, "--rhos", ".1,.2,.3"), "one threshold, or one for each of the 2 exits"),
    (("weights", "pack", "run", "--name", "../x"), "'../x' is no plain name"),
    (("weights", "pack", "run", "--name", ".."), "'..' is no plain name"),
    (("weights", "pack", "run", "--name", "n", "--rho", "2"), "--rho: 2 is no number between 0 and 1"),
    (("slider", "a.png", "b.png"), "unrecognized arguments: b.png"),
    (("check", "--summary"), "expected at least one argument"),
]
"""Wrong calls (exit code 2)."""

FAILURES = [
    ((*EVAL, "--rho", ".1", ".2", ".3"), "one for each of the 2 exits; got 3"),
    ((*EVAL, "--device", "gpu"), "'gpu' is no device; name cpu, cuda"),
    ((*EVAL, "--device", "cuda:99"), "this machine has no such device; it has cpu"),
    ((*EVAL, "--device", "cpu:5"), "this machine has no such device; it has cpu"),
    ((*EVAL, "--device", "meta"), "--device meta: nothing is computed there"),
    ((*EVAL, "--classes", "covered7"), "is not a choice for camvid"),
    ((*EVAL, "--split", "../val"), "has no split '../val'"),
    ((*EVAL, "--dataset", "../camvid"), "no data set is named '../camvid'"),
    ((*EVAL, "--json", "folder"), "folder"),
    ((*EVAL, "--json", "photo.png/x.json"), "photo.png"),
    ((*EVAL, "--json", "pipe"), "pipe is no file that can be replaced"),
    ((*EVAL, "--json", f"{'x' * 300}.json"), "xxx"),
    ((*SLIDER, "--out", "photo.png"), "that is the image itself"),
    ((*SLIDER, "--out", "link.png"), "that is the image itself"),
    ((*SLIDER, "--out", "folder"), "folder"),
    ((*SLIDER, "--out", "pipe"), "pipe is no file that can be replaced"),
    (("video", "photo.png", "--out", "film.txt", "--weights", "tiny"), "film.txt"),
    (("video", "nope.mp4", "--out", "film.mp4", "--weights", "tiny"), "does not exist"),
    (("video", "folder", "--out", "film.mp4", "--weights", "tiny"), "is no file"),
    (("video", "pipe", "--out", "film.mp4", "--weights", "tiny"), "is no file"),
    (("video", "kept.txt", "--out", "film.mp4", "--weights", "tiny"), "is no video"),
    ((*TRAIN, "--steps", "-1"), "steps is at least 0"),
    ((*TRAIN, "--steps", "0"), "steps counts"),
    ((*TRAIN, "--width", "9"), "width is a factor on the channels"),
    ((*TRAIN, "--rho", "nan"), "rho is a probability"),
    ((*TRAIN, "--halo", "-1"), "halo is at least 0"),
    ((*TRAIN, "--workers", "-1"), "workers is at least 0"),
    ((*TRAIN, "--arm", "x"), "arm is one of"),
    ((*TRAIN, "--network", "x"), "network is one of"),
    ((*TRAIN, "--split", "x"), "has no split 'x'"),
    (("train", "--dataset", "camvid", "--out", "photo.png"), "photo.png"),
    (("train", "--out", "run"), "name a recipe with --preset"),
    (("train", "--preset", "x", "--out", "run"), "no preset is named 'x'"),
    (("train", "--resume", "--out", "folder"), "folder holds no run"),
    ((*MODEL, "--weights", "nope"), "no weights named 'nope'"),
    ((*MODEL, "--path", "nope", "--width", ".05"), "no path is named 'nope'"),
    (("bench", "ops", "--only", "zzz", "--even-if-busy"), "--only"),
    (("bench", "systems", "--system", "nope", "--even-if-busy"), "--system"),
    (("reproduce", "T1", "--preset", "x"), "no preset is named 'x'"),
    (("reproduce", "T1", "--data", "photo.png"), "--data photo.png: no such folder"),
    (("weights", "show", "../../../etc/passwd"), "etc/passwd"),
    (("weights", "show", "/"), "no weights named '/'"),
    (("weights", "pack", "folder", "--name", "n"), "checkpoint.pt does not exist"),
    (("data", "show", "nope"), "no data set is named 'nope'"),
    (("check", "--summary", "nope"), "nope is not there"),
    (("check", "--summary", "folder", "--csv", "marks.csv"), "no notebook (*.ipynb) in folder"),
    (("check", "--csv", "marks.csv"), "add --summary"),
    (("run", "nope"), "no notebook"),
    (("run", "/etc/passwd"), "no notebook"),
    (("run", "*"), "no notebook"),
    (("run", "\udcff\x1b[31m"), "no notebook"),
    (("weights", "show", "\udcff\x1b[31m"), "?[31m"),
    (("slider", "\x1b[31m\x07.jpg", "--weights", "tiny"), "?[31m?.jpg does not exist"),
    (("slider", "\u202egpj.exe", "--weights", "tiny"), "?gpj.exe does not exist"),
    (("slider", "a b'\".jpg", "--weights", "tiny"), "a b'\".jpg does not exist"),
    (("slider", f"{'x' * 5000}.jpg", "--weights", "tiny"), "cannot be read (File name too long)"),
]
"""Calls that argparse takes, and that fail (exit code 1)."""


@pytest.fixture
def place(data, home):
    """A folder, a photograph, a link to it, and a pipe that nobody reads."""
    (home / "folder").mkdir()
    (home / "photo.png").write_bytes(PNG)
    (home / "link.png").symlink_to("photo.png")
    os.mkfifo(home / "pipe")


def _label(value):
    return ascii(" ".join(value))[:70] if isinstance(value, tuple) else ""


@pytest.mark.parametrize(("arguments", "words"), CALLS, ids=_label)
def test_a_wrong_call(arguments, words, place, refused):
    """Unknown commands and options, NaN, infinite, negative, huge, empty and misspelt values: one sentence, code 2"""
    refused(*arguments, words=words, code=2)


@pytest.mark.parametrize(("arguments", "words"), FAILURES, ids=_label)
def test_a_call_that_fails(arguments, words, place, refused):
    """Names of nothing, folders and pipes for files, results onto inputs, hostile names: one sentence, code 1"""
    refused(*arguments, words=words)


WORDS = [
    *(module.__name__.rpartition(".")[2] for module in COMMANDS), "eval", "list", "show", "pack", "model", "--weights",
    "--rho", "--limit", "--device", "--json", "--out", "--name", "-p", "--", "-", "--x", "0", "-1", "1e999", "nan",
    "x=1", "tiny", "nope", "..", "~", "\x1b[31m", "\u202e", "\udcff", "{}", "%s", "'\"", "９",
]  # fmt: skip
SLOW = {"run", "info", "bench", "reproduce", "train", "video", "eval", "sweep"}
"""Tried only where their first option is wrong: given what they need, they work."""


def test_random_words(place, capsys):
    """Random words as a command line: exit code 0, 1 or 2, one line where it fails, and never a traceback"""

    @settings(max_examples=150, deadline=None, database=None)
    @given(st.lists(st.sampled_from(WORDS) | st.text(max_size=6), max_size=5))
    def one(words):
        words = [*words, "--no-such-option"] if SLOW & set(words) else words
        code = main(words)
        error = capsys.readouterr().err
        assert code in (0, 1, 2)
        assert "Traceback" not in error
        assert "defect of lcnb" not in error
        if code:
            assert len(error.splitlines()) == 1
            assert error.startswith("lcnb: ")
            assert error.rstrip("\n").isprintable()

    one()
