"""`lcnb eval`: the numbers of `lcnb.evaluate`, with their provenance."""

import itertools
import json

import pytest

import lcnb as package
from lcnb.benchmark.load import Usage
from lcnb.evaluation import evaluate


def direct(data, **options):
    cascade = package.load(str(data / "weights" / "tiny"))
    dataset = package.load_dataset("camvid", "val")
    items = (dataset[i] for i in range(len(dataset)))
    return evaluate(cascade, items, classes=dataset.spec.classes, ignore_index=11, **options).as_dict()


def timeless(result):
    return {k: v for k, v in result.items() if k not in ("ms_per_image", "load")}


@pytest.fixture(autouse=True)
def no_look(monkeypatch):
    monkeypatch.setattr("lcnb.benchmark.load.LOOK", 0)


@pytest.mark.parametrize("mode", ["true", "cached"])
def test_json_holds_what_evaluate_says(lcnb, data, home, mode):
    arguments = ["--dataset", "camvid", "--split", "val", "--rho", "0.3", "--mode", mode, "--json", "out/x.json"]
    code, out, error = lcnb("eval", "--weights", "tiny", *arguments)
    assert (code, error) == (0, "")
    found = json.loads((home / "out" / "x.json").read_text())
    about = {
        k: found.pop(k) for k in ("dataset", "split", "weights", "device", "rho", "mode", "halo", "machine", "command")
    }
    assert timeless(found) == timeless(direct(data, rho=0.3, mode=mode))
    assert found["ms_per_image"]["p95"] >= found["ms_per_image"]["p50"] > 0
    machine = about.pop("machine")
    assert about == {
        "dataset": "camvid",
        "split": "val",
        "weights": "tiny",
        "device": "cpu",
        "rho": 0.3,
        "mode": mode,
        "halo": 0,
        "command": f"lcnb eval --weights tiny {' '.join(arguments)}",
    }
    assert {"cpu", "cores", "threads", "torch", "platform", "date"} <= machine.keys()
    assert f"tiny on camvid val: 2 images, {mode} run at rho 0.3" in out
    assert "written to out/x.json" in out


def test_a_busy_machine_is_named(lcnb, data, home, monkeypatch):
    clock = itertools.count()
    monkeypatch.setattr("lcnb.benchmark.load.usage", lambda: Usage(10.0 * next(clock), 0.0, 0.0))
    out = lcnb("eval", "--weights", "tiny", "--limit", "1", "--json", "x.json")[1]
    assert "BUSY, these times mean little: idle for 0% before we began" in out
    assert json.loads((home / "x.json").read_text())["load"]["busy"] is True


def test_table_shows_every_class(lcnb, data):
    out = lcnb("eval", "--weights", "tiny")[1]
    assert "at rho 0.5" in out  # the weights' own, on the data set they name
    for name in package.load_dataset("camvid", "val").spec.classes:
        assert f"\n{name} " in out


def test_a_halo_costs_what_evaluate_says(lcnb, data, home):
    out = lcnb("eval", "--weights", "tiny", "--rho", "0.3", "--halo", "1", "--json", "x.json")[1]
    found = json.loads((home / "x.json").read_text())
    assert found["halo"] == 1
    assert timeless(direct(data, rho=0.3, halo=1)).items() <= found.items()
    assert found["gmacs_per_image"] > direct(data, rho=0.3)["gmacs_per_image"]
    assert "at rho 0.3, with a halo of 1" in out


def test_limit_and_two_thresholds(lcnb, data, home):
    assert lcnb("eval", "--weights", "tiny", "--rho", "0", "1", "--limit", "1", "--json", "x.json")[0] == 0
    found = json.loads((home / "x.json").read_text())
    assert found["images"] == 1
    assert found["rho"] == [0.0, 1.0]
    assert found["exits"] == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--weights", "none"], 1, "no weights named 'none'"),
        (["--weights", "tiny", "--dataset", "kitti"], 1, "no data set is named 'kitti'"),
        (["--weights", "tiny", "--split", "tset"], 1, "no split 'tset'; it has train, val"),
        (["--weights", "tiny", "--rho", "1.5"], 2, "1.5 is no number between 0 and 1"),
        (
            ["--weights", "tiny", "--rho", "0.1", "0.2", "0.3"],
            1,
            "--rho: rho needs one value, or one for each of",
        ),
        (["--weights", "tiny", "--halo", "-1"], 2, "-1 is no whole number of at least 0"),
        (["--weights", "tiny", "--halo", "1", "--mode", "cached"], 1, "with --mode cached nothing runs on regions"),
        (["--weights", "tiny", "--mode", "fast"], 2, "invalid choice: 'fast'"),
        (["--weights", "tiny", "--limit", "0"], 2, "0 is no whole number of at least 1"),
        (["--weights", "tiny", "--device", "cuda:9"], 1, "this machine has no such device"),
        (["--weights", "tiny", "--classes", "covered7"], 1, "classes='covered7' is not a choice for camvid"),
        (
            ["--weights", "other"],
            1,
            "other knows 4 classes (a, b, c, ...), but CamVid has 11 (Sky, ",
        ),
    ],
)
def test_refuses(lcnb, data, arguments, code, words):
    result = lcnb("eval", *arguments)
    assert result[:2] == (code, "")
    assert words in result[2]
    assert result[2].count("\n") == 1


def test_same_number_of_other_classes(lcnb, data):
    cascade = package.load("tiny")
    cascade.meta["classes"] = [*cascade.meta["classes"][1:], "Moon"]
    from lcnb.cli.evaluate import check_classes

    with pytest.raises(package.DataError, match="tiny knows 11 classes"):
        check_classes(cascade, package.load_dataset("camvid", "val").spec)
    cascade.meta.pop("classes")
    check_classes(cascade, package.load_dataset("camvid", "val").spec)


def test_a_file_that_cannot_be_written(lcnb, data, home):
    (home / "file").write_text("")
    code, _, error = lcnb("eval", "--weights", "tiny", "--limit", "1", "--json", "file/x.json")
    assert code == 1
    assert error.startswith("lcnb: error: ")
    assert "defect" not in error
