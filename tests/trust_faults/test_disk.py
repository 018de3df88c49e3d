"""Every command that writes, where nothing can be written: one sentence, and what was there is there, byte for byte."""

import shutil
import subprocess
import sys

import pytest

import lcnb as package
from lcnb.errors import REASONS
from tests.cli.conftest import ROOT, environment, write_notebook
from tests.folders import tree
from tests.trust_faults.conftest import TRAIN

WEIGHTS = "--weights tiny"
COMMANDS = {
    "train": f"train {' '.join(TRAIN)} --steps 3 --out P/new",
    "train --resume": "train --resume --out P/run",
    "weights pack": "weights pack RUN --name new --out P/weights",
    "weights pack --force": "weights pack RUN --name old --out P/weights --force",
    "eval --json": f"eval {WEIGHTS} --json P/old.json",
    "sweep --json": f"sweep {WEIGHTS} --rho 1 .5 --json P/old.json",
    "bench --json": "bench ops --level layers --only B --share .5 --mask blobs --path gather --width 0.05 "
    "--size 32 32 --repeats 1 --even-if-busy --json P/old.json",
    "reproduce T6": "reproduce T6 --out P/old.json",
    "reproduce T1": f"reproduce T1 --preset camvid-small {WEIGHTS} --rhos .5 --work P/work --out P/new.json",
    "slider": f"slider DATA/camvid/val/0.png {WEIGHTS} --out P/old.html",
    "video": f"video FILM {WEIGHTS} --max-frames 2 --longest 96 --out P/old.mp4",
    "check --csv": "check --summary BOOKS --csv P/old.csv",
    "check --json": "check --summary BOOKS --json P/old.json",
}
SMALL = {"new/config.json", "new/log.csv"}
"""Whole files that fit where files are limited to some hundred bytes."""


@pytest.fixture
def saved(place, begun):
    """What is in the place from before."""
    shutil.copytree(begun, place.folder / "run")
    (place.folder / "weights" / "old").mkdir(parents=True)
    for name in ("old.json", "old.html", "old.mp4", "old.csv", "weights/old/model.safetensors"):
        (place.folder / name).write_text(f"from before: {name}")
    return tree(place.folder)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_cannot_write(command, place, saved, begun, data, lcnb, little):
    """A full disk, a read-only folder and a limit on the size of files, under every command that writes"""
    words = {"P/": f"{place.folder}/", "RUN": str(begun), "DATA": str(data)}
    words |= {"FILM": str(ROOT / "data/streets/drive.mp4"), "BOOKS": str(ROOT / "notebooks/solutions")}
    text = COMMANDS[command]
    place.limit = 60 if command == "check --csv" else place.limit
    for word, value in words.items():
        text = text.replace(word, value)
    with place.broken():
        code, _, error = lcnb(*text.split())
    assert code == 1
    assert error.count("\n") == 1, error
    assert error.startswith("lcnb: error: ")
    assert any(reason in error for reason in REASONS.values())
    assert str(place.folder) in error
    assert ".unfinished" not in error
    found = tree(place.folder)
    if place.kind == "limit" and command == "train --resume":  # a line of the log was short enough
        kept = (begun / "log.csv").read_text().splitlines()[:2]  # up to the step of the checkpoint
        assert (place.folder / "run" / "log.csv").read_text().splitlines()[:2] == kept
        found["run/log.csv"] = saved["run/log.csv"]
    assert found.keys() - saved.keys() <= (SMALL if place.kind == "limit" else set())
    assert {name: found[name] for name in saved} == saved


def test_training_goes_on_when_there_is_room_again(full, begun, data, lcnb, little):
    """A disk that fills up while training: the checkpoint of before is whole, and the run resumes from it"""
    shutil.copytree(begun, full.folder / "run")
    arguments = ["train", "--resume", "--out", full.folder / "run"]
    before = (full.folder / "run" / "checkpoint.pt").read_bytes()
    with full.broken():
        assert lcnb(*arguments)[0] == 1
    assert (full.folder / "run" / "checkpoint.pt").read_bytes() == before
    assert lcnb(*arguments)[0] == 0
    assert lcnb("weights", "pack", full.folder / "run", "--name", "w", "--out", full.folder)[0] == 0
    assert {p.name for p in (full.folder / "w").iterdir()} == {"model.safetensors", "metrics.json", "README.md"}


def test_notebooks_into_a_full_disk(full, home, lcnb):
    """`lcnb run` into a full disk: pages and index of before stay"""
    book = write_notebook(home / "a.ipynb", "print(1)")
    for name in ("a.ipynb", "a.html", "run.json", "index.html"):
        (full.folder / name).write_text("from before")
    before = tree(full.folder)
    with full.broken():
        code, _, error = lcnb("run", book, "--out", full.folder)
    assert (code, tree(full.folder)) == (1, before)
    assert error.startswith(f"lcnb: error: {full.folder}/a.ipynb cannot be written: the disk is full")


def test_no_room_for_temporary_files(full, home, lcnb, monkeypatch):
    """`lcnb run` where the disk for temporary files is full"""
    book = write_notebook(home / "a.ipynb", "print(1)")
    monkeypatch.setattr("tempfile.tempdir", str(full.folder))
    with full.broken():
        code, _, error = lcnb("run", book, "--out", home / "out")
    assert code == 1
    assert "disk is full" in error
    assert str(full.folder) in error
    assert "Traceback" not in error
    assert tree(full.folder) == {}


def test_a_cache_that_cannot_be_kept_is_no_fault(place, small_cascade, picture, monkeypatch, capsys):
    """The cache of break-even shares on a full or read-only disk: inference goes on without a word"""
    monkeypatch.setenv("LCNB_CACHE", str(place.folder / "cache"))
    x = picture[None] / 255
    with place.broken():
        labels = small_cascade.for_inference()(x, rho=0.6).labels
    assert (labels == small_cascade(x, rho=0.6).labels).all()
    assert capsys.readouterr() == ("", "")
    assert not any(name.endswith(".unfinished.json") for name in tree(place.folder))


@pytest.mark.skipif(not hasattr(sys, "abiflags"), reason="Windows has no /dev/full")
@pytest.mark.parametrize("words", [["data", "list"], ["--help"]])
def test_standard_output_on_a_full_disk(words, tmp_path):
    """Output that is sent to a full disk: a sentence and a non-zero exit, also where errors go there too"""
    script = (
        "import sys\nimport lcnb.cli.data\nfrom lcnb.cli import main\n"
        f"lcnb.cli.data.list_all = lambda _: print('a table') or 0\nsys.exit(main({words}))\n"
    )
    for both in (False, True):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [sys.executable, "-c", script], cwd=tmp_path, env=environment(PYTHONUNBUFFERED=""), stdout=full,
                stderr=full if both else subprocess.PIPE, text=True, check=False,
            )  # fmt: skip
        assert done.returncode == 1
        said = "lcnb: error: standard output, or a file, cannot be written (No space left on device)\n"
        assert done.stderr == (None if both else said)


@pytest.mark.skipif(not hasattr(sys, "abiflags"), reason="Windows' shell cannot close it")
def test_standard_output_that_is_closed(tmp_path):
    line = f"'{sys.executable}' -m lcnb --version >&-"
    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, env=environment(), capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert package.__version__
