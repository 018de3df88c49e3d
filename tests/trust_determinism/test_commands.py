"""The same command twice gives the same result, but for times and dates."""

import json
import re

import pytest

from tests.cli.conftest import data, data_root, home, lcnb, spawn  # noqa: F401
from tests.trust_faults.conftest import TRAIN, little  # noqa: F401

TIMES = re.compile(r"^(ms|seconds|fps|date|load|images_per_s)")
"""How the names of what is timed begin."""
COMMANDS = {
    "eval": "eval --weights tiny --rho 0.3",
    "eval cached": "eval --weights tiny --rho 0.3 --mode cached",
    "sweep": "sweep --weights tiny --rho 1 .5 .2",
    "reproduce T1": "reproduce T1 --preset camvid-small --weights tiny --rhos .5",
    "reproduce F1": "reproduce F1 --preset camvid-small --weights tiny",
}


def timeless(value):
    """Without what is timed, and without the command, which names the file."""
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if not TIMES.match(k) and k != "command"}
    return [timeless(v) for v in value] if isinstance(value, list) else value


@pytest.mark.parametrize("command", COMMANDS)
def test_the_same_command_twice(command, lcnb, data, home):  # noqa: F811
    """The same command twice: the same JSON but for times and dates"""
    words = COMMANDS[command].split()
    texts = []
    for name in ("one", "two"):
        option = ["--out", f"{name}.json", "--work", name] if words[0] == "reproduce" else ["--json", f"{name}.json"]
        assert lcnb(*words, *option)[0] == 0
        texts.append(json.dumps(timeless(json.loads((home / f"{name}.json").read_text()))))
    assert texts[0] == texts[1]
    assert "miou" in texts[0] or "share" in texts[0]


def test_another_process(lcnb, data, home):  # noqa: F811
    """The same command in another process: the same labels, exits and metrics"""
    arguments = ["eval", "--weights", "tiny", "--rho", "0.3", "--json"]
    assert lcnb(*arguments, "here.json")[0] == 0
    assert spawn(*arguments, "there.json", cwd=home, LCNB_DATA=str(data), OMP_NUM_THREADS="1").returncode == 0
    here, there = (timeless(json.loads((home / name).read_text())) for name in ("here.json", "there.json"))
    assert here | {"machine": None} == there | {"machine": None}


def test_weights_and_pages_are_the_same_bytes(lcnb, data, home, little):  # noqa: F811
    """Training, `lcnb weights pack` and `lcnb slider` twice with one seed: the same files, byte for byte"""
    for name in ("one", "two", "other"):
        seed = ["--seed", "1" if name == "other" else "0"]
        assert lcnb("train", *TRAIN, *seed, "--steps", "2", "--cascade-steps", "2", "--out", f"runs/{name}")[0] == 0
        assert lcnb("weights", "pack", f"runs/{name}", "--name", "w", "--out", name)[0] == 0
        picture = data / "camvid" / "val" / "0.png"
        assert lcnb("slider", picture, "--weights", f"{name}/w", "--out", f"{name}.html")[0] == 0
    for file in ("{}/w/model.safetensors", "{}.html"):
        one, two, other = ((home / file.format(name)).read_bytes() for name in ("one", "two", "other"))
        assert one == two
        assert one != other
