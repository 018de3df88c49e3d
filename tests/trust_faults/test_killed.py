"""Processes that are killed at any moment: what was saved is whole, and what is left over is harmless."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from lcnb.paths import STALE, check_writable, written_whole
from lcnb.training import load_checkpoint
from tests.cli.conftest import ROOT, environment
from tests.trust_faults.conftest import TRAIN

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")

WRITER = """
import itertools, json
from pathlib import Path
from lcnb.paths import written_whole
print("on", flush=True)
for turn in itertools.count():
    with written_whole(Path("x.json")) as path:
        path.write_text(json.dumps([turn] * 20000))
"""
TRAINER = """
import json, os, random, signal, sys, time
import torch
from lcnb import paths
from lcnb.cli import main
from lcnb.models.networks import NETWORKS
from tests.training.conftest import shallow_irnet
torch.set_num_threads(1)
NETWORKS["irnet"] = shallow_irnet()
paths.checkout = lambda: None
command, number = json.loads(sys.argv[1])
random.seed(1)
codes, out = [], command[-1]
for _ in range(3):
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os._exit(main(command + ["--resume"] * os.path.exists(out + "/config.json")))
    time.sleep(random.uniform(1, 2))
    os.kill(child, number)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(json.dumps(codes))
"""


@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.long)])
def test_a_writer_killed_at_random_moments(count, tmp_path):
    """A process killed with -9 while it writes a file, at random moments: the file is the old or the new one, whole"""
    random.seed(count)
    (tmp_path / "x.json").write_text(json.dumps([-1] * 20000))
    for _ in range(count):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE
        ) as process:
            process.stdout.readline()
            time.sleep(random.uniform(0.01, 0.06))
            process.kill()
        found = json.loads((tmp_path / "x.json").read_text())
        assert len(found) == 20000
        assert len(set(found)) == 1
    left = {p.name for p in tmp_path.iterdir()} - {"x.json"}
    assert left, "no kill met a file that was being written"
    assert all(name.startswith(".x.json.") and name.endswith(".unfinished.json") for name in left)


def test_what_a_kill_left_is_removed_an_hour_later(tmp_path):
    """Unfinished files of a killed process: the next write of that name removes them when they are an hour old"""
    old, new, other = (tmp_path / f".{name}.unfinished.json" for name in ("x.json.a1", "x.json.b2", "y.json.c3"))
    for path in (old, new, other):
        path.write_text("half")
    for path in (old, other):
        os.utime(path, (time.time() - STALE - 60,) * 2)
    with written_whole(tmp_path / "x.json") as path:
        path.write_text("whole")
    assert {p.name for p in tmp_path.iterdir()} == {"x.json", new.name, other.name}
    check_writable(tmp_path / "y.json", None, tmp_path / "new" / "folder" / "z.json")
    assert {p.name for p in tmp_path.iterdir()} == {"x.json", new.name}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.long)])
def test_training_that_is_told_to_end(number, tmp_path, data):
    """`lcnb train` told to end, by `kill`, a cluster or a closed terminal: it ends the step, saves, and stops."""
    run = tmp_path / "run"
    argument = json.dumps([["train", *TRAIN, "--steps", "4000", "--out", str(run)], int(number)])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TRAINER, argument], cwd=ROOT, env=environment(LCNB_DATA=str(data)),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert set(json.loads(done.stdout.splitlines()[-1])[1:]) == {128 + number}
    assert not list(run.glob("*.unfinished*"))
    last = load_checkpoint(run / "checkpoint.pt")["step"]
    logged = [line.partition(",")[0] for line in (run / "log.csv").read_text().splitlines()[1:]]
    assert logged == [str(step) for step in range(1, last + 1)] != []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_command_that_is_told_to_end_while_it_writes(number, code, tmp_path):
    """Ctrl-C, `kill` and a closed terminal while a file is written: the old one stays, and nothing is left over"""
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom lcnb.cli import main\nfrom lcnb.paths import written_whole\n"
        "import lcnb.cli.data\n"
        "def run(_):\n    with written_whole(Path('x.json')) as path:\n        path.write_text('half')\n"
        "        print('on', flush=True)\n        time.sleep(60)\n"
        "lcnb.cli.data.list_all = run\nsys.exit(main(['data', 'list']))\n"
    )
    (tmp_path / "x.json").write_text("from before")
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    ) as process:  # fmt: skip
        assert process.stdout.readline() == "on\n"
        process.send_signal(number)
        _, error = process.communicate(timeout=30)
    assert (process.returncode, error) == (code, "lcnb: stopped\n")
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]
    assert (tmp_path / "x.json").read_text() == "from before"
