"""Two commands that would write to the same place."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lcnb.cli.weights import _move
from lcnb.errors import WeightsError
from lcnb.locking import LOCK
from tests.cli.conftest import environment, write_notebook
from tests.folders import tree
from tests.test_locking import holder
from tests.trust_faults.conftest import TRAIN
from tests.waiting import wait_until

WRITER = """
import json, sys
from pathlib import Path
from lcnb.paths import write_json
for turn in range(40):
    write_json(Path("x.json"), {"who": sys.argv[1], "numbers": [turn] * 2000})
"""


@pytest.mark.slow
def test_two_runs_of_notebooks_into_one_folder(home, lcnb):
    """`lcnb run` twice at once into one folder: the second says who writes there, the first ends well"""
    book = write_notebook(home / "a.ipynb", "import time\nopen('begun', 'w').close()\ntime.sleep(4)")
    command = [sys.executable, "-m", "lcnb", "run", str(book), "--out", "out"]
    with subprocess.Popen(command, cwd=home, env=environment(), stdout=subprocess.PIPE) as first:
        wait_until(lambda: first.poll() is not None or (home / "begun").exists(), 120)
        code, _, error = lcnb("run", book, "--out", "out")
        assert code == 1
        assert error == (
            f"lcnb: error: another `lcnb run` (process {first.pid}) is writing to {home / 'out'}; wait for it, or give "
            "--out another folder\n"
        )
        first.communicate(timeout=120)
    assert first.returncode == 0
    assert {p.name for p in (home / "out").iterdir()} == {"a.ipynb", "a.html", "run.json", "index.html"}


@pytest.mark.parametrize(
    ("words", "held", "instead"),
    [
        (["train", *TRAIN, "--steps", "2", "--out", "run"], "run", "give --out another folder"),
        (["train", "--resume", "--out", "run"], "run", "give --out another folder"),
        (
            ["reproduce", "T1", "--preset", "camvid-small", "--weights", "tiny", "--work", "work"],
            "work/camvid-small/T1",
            "give --work another folder",
        ),
    ],
)
def test_two_of_a_kind_into_one_folder(words, held, instead, lcnb, data, home, begun):
    """`lcnb train` or `lcnb reproduce` twice at once into one folder: the second is refused, and writes nothing"""
    (home / held).mkdir(parents=True)
    for file in begun.iterdir() if "--resume" in words else ():
        (home / held / file.name).write_bytes(file.read_bytes())
    before = tree(home)
    with holder(home / held) as first:
        code, _, error = lcnb(*words)
        first.kill()
    assert code == 1
    assert re.fullmatch(rf"lcnb: error: another `lcnb run` \(process {first.pid}\) is writing to .+; {instead}\n",
                        error.replace("wait for it, or ", ""))  # fmt: skip
    left = tree(home)
    left.pop(f"{held}/{LOCK}")  # of a process that was killed: nobody's
    assert left == before


def test_two_results_into_one_file(home):
    """Two commands that write the same JSON file again and again: at every moment it is whole, and one of theirs"""
    commands = [[sys.executable, "-c", WRITER, name] for name in "ab"]
    writers = [subprocess.Popen(command, cwd=home, env=environment()) for command in commands]
    seen = 0
    while any(writer.poll() is None for writer in writers):
        if (home / "x.json").exists():
            found = json.loads((home / "x.json").read_text())
            assert len(found["numbers"]) == 2000
            seen += 1
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen > 10
    assert os.listdir(home) == ["x.json"]


def test_two_that_pack_weights_of_one_name(tmp_path):
    """Weights of the same name that another `lcnb weights pack` has made meanwhile: kept, unless --force is given"""
    names = ("model.safetensors", "metrics.json")
    for folder in ("mine", "theirs"):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).write_text(folder)
    with pytest.raises(WeightsError, match="theirs holds weights by now, of another call; --force replaces them"):
        _move(tmp_path / "mine", tmp_path / "theirs", names, force=False)
    assert [(tmp_path / "theirs" / name).read_text() for name in names] == ["theirs"] * 2
    _move(tmp_path / "mine", tmp_path / "theirs", names, force=True)
    assert [(tmp_path / "theirs" / name).read_text() for name in names] == ["mine"] * 2
    assert sorted(p.name for p in Path(tmp_path / "theirs").iterdir()) == sorted(names)
