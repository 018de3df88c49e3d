"""A network of the reader's own through the commands: `--builder`, with any number of stages."""

import csv
import json

import pytest
import torch
from PIL import Image

import lcnb as package
from lcnb import plots
from lcnb.models import cascade_cost
from lcnb.plots.style import encode
from lcnb.training import TrainConfig, Trainer, TrainingError, config_of
from lcnb.video import Clip
from lcnb.widgets import ThresholdExplorer
from tests.export.decoder import Decoded
from tests.test_builders import my_nets  # noqa: F401
from tests.video.films import film

OWN = ["--builder", "my_nets:build"]
TINY = [
    "--steps", "1", "--cascade-steps", "1", "--batch", "1", "--crop", "24", "32", "--log-every", "1", "--no-amp",
]  # fmt: skip
QUICK = ["--rivals", "none", "--even-if-busy", "--device", "cpu", "--repeats", "1", "--warmup", "0"]


@pytest.fixture(autouse=True)
def here(my_nets, home, monkeypatch):  # noqa: F811
    """The working directory holds `my_nets.py`, and the machine is not looked at."""
    (my_nets / "my_nets.py").rename(home / "my_nets.py")
    monkeypatch.setattr("lcnb.benchmark.load.LOOK", 0)


@pytest.mark.parametrize("stages", [2, 4])
def test_a_network_of_ones_own(stages, lcnb, data, home):
    done = lcnb.ok
    begin = ["train", "--dataset", "camvid", "--out", "runs/x", *TINY, "--builder-arg", f"stages={stages}"]
    done(*begin, *OWN)
    with (home / "runs/x/log.csv").open() as file:
        rows = [{k: v if k == "phase" else float(v or "nan") for k, v in row.items()} for row in csv.DictReader(file)]
    scored = [row for row in rows if row["miou_true"] == row["miou_true"]]
    assert [name for name in rows[0] if name.startswith("miou_stage")] == [f"miou_stage{s + 1}" for s in range(stages)]
    drawn = plots.training_curves(scored)
    assert f"stage {stages} alone" in drawn.axes[1].get_legend_handles_labels()[1]
    assert len(encode(drawn, False)) > 1000

    code, _, error = lcnb("train", "--resume", "--out", "runs/x")
    assert (code, error.count("\n")) == (1, 1)
    assert "my_nets:build builds this run's network; lcnb runs that code only if you name it" in error
    done("train", "--resume", "--out", "runs/x", *OWN)
    assert config_of(home / "runs/x").stage_weights == (1.0,) * stages
    assert "arguments" in done("weights", "show", "runs/x", *OWN)

    packed = done("weights", "pack", "runs/x", "--name", "mine", "--out", "data/weights", "--rho", ".2", *OWN)
    assert "data/weights/mine: mIoU 0." in packed
    card = (home / "data/weights/mine/README.md").read_text()
    assert f"A {'two' if stages == 2 else 'four'}-stage Layer Cascade (built by `my_nets:build`" in card
    assert 'lcnb.load("mine", builder="my_nets:build")' in card
    assert "exits at stage " + " / ".join(str(s + 1) for s in range(stages)) in card
    mine = ["--weights", "data/weights/mine", *OWN]
    for weights in (["--weights", "runs/x", *OWN], mine):
        done("eval", *weights, "--rho", *[".2"] * (stages - 1), "--json", "x.json")
        assert len(json.loads((home / "x.json").read_text())["exits"]) == stages
    assert f"exits at 1 / 2{' / 3 / 4' * (stages == 4)}, true" in done(
        "sweep", *mine, "--rho", ".2", "1", "--limit", "1"
    )

    for name in ("T1", "T3", "F1", "F7"):
        done("reproduce", name, "--preset", "camvid-small", *mine, "--limit", "1", "--out", "x.json")
        rows = json.loads((home / "x.json").read_text())["exits" if name == "F1" else "rows"]
        assert (len(rows) if name == "F1" else len(rows[0]["exits_true"])) == stages

    Image.new("RGB", (64, 48), "grey").save(home / "grey.png")
    done("slider", "grey.png", *mine)
    assert len(Decoded((home / "grey.html").read_text(encoding="utf-8")).data["stages"]) == stages
    film(home / "clip.mp4", frames=2)
    done("video", "clip.mp4", *mine, "--out", "film.mp4")
    assert Clip(home / "film.mp4", None).count == 2
    bench = ["bench", "model", *mine, *QUICK]
    planned = done(*bench, "--exits", ",".join([".2"] * (stages - 1)), "--size", "32", "48")
    assert f"exits at stage 1 / 2{' / 3 / 4' * (stages == 4)}: 20.8 %" in planned
    assert f"{stages - 1} fractions of all cells are needed" in lcnb(*bench, "--exits", ".1,.1,.1,.1")[2]

    cascade = package.load(home / "data/weights/mine", builder="my_nets:build")
    explorer = ThresholdExplorer(
        cascade, [torch.zeros(3, 48, 64, dtype=torch.uint8)], cascade.meta["classes"], 0.5, per_exit=True
    )
    assert (explorer.canvas.view["controls"] == ["threshold ρ"]) == (stages == 2)
    assert len(explorer.output.exits[0]) == stages
    cost, names = cascade_cost(cascade, 48, 64), [*"1234"[:stages]]
    assert encode(plots.where_it_sits(names, range(1, stages + 1), cost.stages, cost.heads), False)


def test_weights_of_ones_own_begin_and_teach_a_run(lcnb, data, home):
    begin = ["train", "--dataset", "camvid", *TINY, *OWN, "--batch", "2", "--arm", "mc"]
    assert lcnb(*begin, "--out", "runs/x", "--stage-weights", ".5", "1")[0] == 0
    assert lcnb("weights", "pack", "runs/x", "--name", "mine", "--out", ".", *OWN)[0] == 0
    assert lcnb(*begin, "--out", "runs/y", "--init", "mine", "--teacher", "mine")[::2] == (0, "")
    error = lcnb(*begin, "--out", "runs/z", "--init", "tiny")[2]
    assert "the weights tiny are of another network than my_nets:build with 11 classes" in error
    assert "mine holds a network that" not in lcnb(*begin, "--out", "runs/a", "--teacher", "tiny")[2]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["eval", "--weights", "mine", "--builder", "my_nets"], 2, "'my_nets' is not MODULE:FUNCTION"),
        (["eval", "--builder", "none:build", "--weights", "mine"], 1, "no weights named 'mine'"),
        (["eval", "--weights", "tiny", *OWN], 1, "holds irnet_lc, which lcnb builds by itself"),
        (["eval", "--model", "fcn_resnet50", *OWN], 1, "--builder is for --weights"),
        (["bench", "model", *OWN], 1, "--builder needs --weights"),
        (["reproduce", "T2", *OWN], 1, "--builder needs --weights"),
        (
            ["train", "--width", ".5", *OWN],
            1,
            "--width is for lcnb's own networks; tell the builder with --builder-arg",
        ),
        (["train", "--builder-arg", "a=1"], 1, "builder_arg a=1 is for a builder; name it with --builder"),
        (["train", *OWN, "--builder-arg", "1"], 1, "builder_arg is NAME=VALUE"),
        (
            ["train", *OWN, "--builder-arg", "num_classes=3"],
            1,
            "my_nets:build builds a network of 3 classes; the data has",
        ),
        (["train", *OWN, "--builder-arg", "a=1", "--builder-arg", "b=x"], 1, "build(num_classes=11, a=1, b='x') fails"),
        (["train", *OWN, "--stage-weights", "1", "1", "2"], 1, "stage_weights is 2 numbers for a network of 2 stages"),
        (
            ["train", *OWN, "--arm", "dsn-dropout"],
            1,
            "dropout is the builder's own: it is 0 here, and the arm is not dsn-dropout",
        ),
        (["train", *OWN, "--dropout", ".5"], 1, "dropout is the builder's own"),
        (["train", *OWN, "--freeze", "1"], 1, "freeze counts modules at the start of stage 1"),
        (["train", "--builder", "my_nets:broken"], 1, "my_nets:broken() fails: KeyError: 'oops'"),
    ],
)
def test_refuses(arguments, code, words, lcnb, data, home):
    more = ["--dataset", "camvid", "--out", "runs/x", *TINY] if arguments[0] == "train" else []
    result = lcnb(*arguments, *more)
    assert (result[0], result[2].count("\n")) == (code, 1)
    assert words in result[2]


def test_a_trainer_takes_the_function(data, home, monkeypatch):
    monkeypatch.syspath_prepend(home)
    import my_nets as module

    config = TrainConfig(dataset="camvid", steps=2, batch=1, crop=(24, 32), builder_arg=("stages=3",), amp=False)
    trained = Trainer(config, home / "runs", builder=module.build, say=print).run()
    assert config_of(home / "runs").builder == "my_nets:build"
    package.save(trained, home / "mine", builder=module.build)
    again = package.load(home / "mine", builder=module.build)
    assert again.meta["dataset"] == "camvid"
    assert (again.stage_count, again.rho) == (3, config.rho)
    with pytest.raises(TrainingError, match="only if you name it"):
        Trainer(config_of(home / "runs"), home / "runs", resume=True)
