"""Command lines that mean nothing, or too much: one sentence each, and no traceback whatever the words are."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lcnb import models
from lcnb.cli import COMMANDS, main
from tests.cli.conftest import write_notebook
from tests.trust_inputs.files import PNG
from tests.video.films import film

EVAL = ("eval", "--weights", "tiny")
TRAIN = ("train", "--dataset", "camvid", "--out", "run")
MODEL = ("bench", "model", "--even-if-busy")
OPS = ("bench", "ops", "--even-if-busy")
VIDEO = ("video", "clip.mp4", "--out", "film.mp4", "--weights", "tiny")
SLIDER = ("slider", "photo.png", "--weights", "tiny")
MINE = ("reproduce", "T1", "--preset", "camvid-small", "--weights", "tiny")
DEVICES = (TRAIN, VIDEO, MODEL, MINE, ("sweep", "--weights", "tiny"), ("bench", "systems"), ("run", "00"),
           ("weights", "pack", "run", "--name", "x"))  # fmt: skip
"""Calls that take --device."""

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
    *((("run", "00", f"-p{value}"), "is not of the form NAME=VALUE") for value in ("=1", "1a=2", "x", "a b=1", "-=1")),
    (("check", "--summary"), "expected at least one argument"),
    ((*EVAL, "--halo", "-1"), "-1 is no whole number of at least 0"),
    (("sweep", "--model", "fcn"), "invalid choice: 'fcn'"),
    ((*SLIDER, "--rho", "2"), "2 is no number between 0 and 1"),
    (("run", "--rho", "2"), "2 is no number between 0 and 1"),
    (("run", "--timeout", "0"), "0 is no number above 0"),
    (("run", "--profile", "fast"), "invalid choice: 'fast'"),
    (("train", "--preset", "camvid-small"), "--out"),
    ((*VIDEO, "--every", "0"), "0 is no whole number of at least 1"),
    ((*OPS, "--share", "2"), "2 is no number between 0 and 1"),
    (("bench", "systems", "--width", "0"), "0 is no number above 0"),
    (("reproduce", "T1", "--rhos", "2"), "2 is no number between 0 and 1"),
    (("reproduce", "T1", "--rhos", ".9,2"), "2 is no number between 0 and 1"),
    (("data", "imagenet"), "invalid choice: 'imagenet'"),
    (("data", "camvid", "--to", ""), "argument 4 is empty; leave it out"),
    (("data", "camvid", "--to"), "expected one argument"),
    (("data", "voc2012", "--repair"), "unrecognized arguments: --repair"),
    (("data", "cityscapes", "--from", "https://example.org"), "unrecognized arguments"),
    (("data", "verify"), "arguments are required: NAME"),
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
    ((*TRAIN, "--val-split", "test"), "has no split 'test'; it has train, val"),
    (("train", "--dataset", "camvid", "--out", "photo.png"), "photo.png"),
    (("train", "--out", "run"), "name a recipe with --preset"),
    (("train", "--preset", "x", "--out", "run"), "no preset is named 'x'"),
    (("train", "--resume", "--out", "folder"), "folder holds no run"),
    ((*MODEL, "--weights", "nope"), "no weights named 'nope'"),
    ((*MODEL, "--path", "nope", "--width", ".05"), "no path is named 'nope'"),
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
    (("eval", "--weights", "none"), "no weights named 'none'"),
    ((*EVAL, "--split", "tset"), "no split 'tset'; it has train, val"),
    ((*EVAL, "--halo", "1", "--mode", "cached"), "with --mode cached nothing runs on regions"),
    (("eval", "--weights", "other"), "other knows 4 classes (a, b, c, ...), but CamVid has 11 (Sky, "),
    (("sweep", "--model", "fcn_resnet50", "--dataset", "camvid"), "fcn_resnet50 knows 21 classes"),
    (("sweep", "--model", "fcn_resnet50"), "PASCAL VOC 2012 is not here"),
    (("run", "--rho", "0.5", "-p", "rho=0.6"), "rho is given twice"),
    (("run", "--dataset", "kitti"), "no data set is named 'kitti'"),
    (("run", "--dataset", "voc2012"), "PASCAL VOC 2012 is not here"),
    (("run", "-p", "seeed=1"), "00_a has no parameter 'seeed'; did you mean 'seed'?"),
    (("train", "--preset", "streets-small", "--out", "r"), "Streets is not here"),
    (("train", "--resume", "--out", "r"), "does not exist"),
    *(
        ((*call, "--device", "cuda:9"), "--device cuda:9: this machine has no such device; it has cpu")
        for call in DEVICES
    ),
    (("video", "clip.mp4", "--out", "x.avi", "--weights", "tiny"), "does not end in .mp4"),
    (("video", "clip.mp4", "--out", "clip.mp4", "--weights", "tiny"), "that is the clip itself"),
    ((*VIDEO, "--rho", ".1", ".2", ".3"), "--rho: rho needs one value"),
    ((*VIDEO, "--longest", "3"), "longest=3 leaves nothing to see"),
    ((*OPS, "--path", "cudnn"), "--path: no path is named 'cudnn'; there are rows, gather, reference"),
    ((*OPS, "--only", "D"), "--only: nothing begins with D; there are A, "),
    ((*OPS, "--warmup", "-1"), "--warmup: warmup is at least 0"),
    ((*MODEL, "--width", ".05", "--exits", ".5"), "--exits: 2 fractions of all cells are needed for 3 stages"),
    (("bench", "systems", "--exits", ".1,.1,.1"), "--exits: 2 fractions of all cells are needed for 3 stages"),
    ((*MODEL, "--rho", ".5"), "need --weights"),
    ((*MODEL, "--weights", "tiny", "--exits", ".1,.1", "--rho", ".5"), "takes neither --dataset nor --rho"),
    ((*MODEL, "--weights", "tiny", "--rho", ".1", ".2", ".3"), "--rho: rho needs one value"),
    ((*MODEL, "--weights", "tiny", "--batch", "3"), "--batch: 2 images make no batch of 3"),
    ((*MODEL, "--weights", "tiny", "--repeats", "1"), "--repeats 1 is less than 2 batches"),
    (("bench", "training", "--weights", "other", "--even-if-busy"), "other knows 4 classes"),
    (("bench", "training", "--weights", "tiny", "--dtype", "float16"), "--dtype float16: training has no loss scaling"),
    (("reproduce", "T2", "--arms", "lcc"), "arms are some of lc, dsn, dsn-dropout, irnet, mc, hard; got lcc"),
    (("reproduce", "T2"), "PASCAL VOC 2012 is not here"),
    ((*MINE[:-1], "other"), "knows 4 classes that are not the 11 of camvid"),
    ((*MINE[:-2],), "holds no run: name some with --weights, or train them with `lcnb reproduce T2 --preset"),
    (("reproduce", "cascade-training", "--halo", "1"), "--halo does not go with cascade-training"),
    (("reproduce", "cascade-training", "--seeds", "1", "1"), "seeds differ, and there is at least one; got (1, 1)"),
    (("reproduce", "cascade-training", "--cascade-steps", "0"), "cascade_steps are at least 1; got 2000 and 0"),
]
"""Calls that argparse takes, and that fail (exit code 1)."""


@pytest.fixture
def place(data, home, monkeypatch):
    """A folder, a photograph, a link to it, a notebook, a clip, and a pipe that nothing reads."""
    (home / "folder").mkdir()
    (home / "photo.png").write_bytes(PNG)
    (home / "link.png").symlink_to("photo.png")
    write_notebook(home / "00_a.ipynb", "1")
    film(home / "clip.mp4")
    os.mkfifo(home / "pipe")
    monkeypatch.setattr("lcnb.benchmark.load.LOOK", 0)
    monkeypatch.setitem(models.ADAPTIVE, "fcn_resnet50", voc_network)


def voc_network():
    """Stands for the pretrained network, which is large."""
    network = models.irnet_lc(21, width=0.05, blocks=(1, 1, 1))
    network.meta = {"name": "fcn_resnet50"}
    return network


CASES = [(*case, 2) for case in CALLS] + [(*case, 1) for case in FAILURES]


@pytest.mark.parametrize(
    ("arguments", "words", "code"), CASES, ids=[ascii(" ".join(arguments))[:70] for arguments, *_ in CASES]
)
def test_a_call_that_fails(arguments, words, code, place, refused):
    """Unknown, wrong, hostile and contradictory words: one sentence, the exit code, and nothing on disk changed."""
    refused(*arguments, words=words, code=code)


WORDS = [
    *(module.__name__.rpartition(".")[2] for module in COMMANDS), "check", "slider", "eval", "list", "show", "pack",
    "model", "--weights", "--rho", "--limit", "--device", "--json", "--out", "--name", "-p", "--", "-", "--x", "0",
    "-1", "1e999", "nan", "x=1", "tiny", "nope", "..", "~", "\x1b[31m", "\u202e", "\udcff", "{}", "%s", "'\"", "９",
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
