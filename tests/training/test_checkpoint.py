"""Checkpoints are whole or absent, are read without running them, and the log has every step once."""

import dataclasses
import json

import pytest
import torch

from lcnb.training import TrainConfig, TrainingError, config_of, load_checkpoint
from lcnb.training.checkpoint import append_row, cut_log, save_checkpoint, sweep

STATE = {"model": {"w": torch.ones(1)}, "average": {}, "optimiser": {}, "step": 3, "config": {}}


@pytest.fixture
def path(tmp_path):
    save_checkpoint(tmp_path / "checkpoint.pt", STATE)
    return tmp_path / "checkpoint.pt"


def test_a_write_that_fails_leaves_the_old_one(path, monkeypatch):
    def cut_off(state, file):
        file.write(b"PK half")
        raise RuntimeError("PytorchStreamWriter failed writing file")

    monkeypatch.setattr(torch, "save", cut_off)
    with pytest.raises(
        TrainingError, match=r"checkpoint\.pt cannot be written: .*failed writing.*; the one .* unchanged"
    ):
        save_checkpoint(path, {**STATE, "step": 9})
    assert load_checkpoint(path) == STATE
    assert [p.name for p in path.parent.iterdir()] == ["checkpoint.pt"]


@pytest.mark.parametrize(
    "state", [[], torch.ones(1), {"model": {}}, {**STATE, "step": "3"}, {**STATE, "config": []}, {**STATE, "model": 1}]
)
def test_another_projects_checkpoint(state, path):
    torch.save(state, path)
    with pytest.raises(TrainingError, match=r"checkpoint\.pt is no checkpoint of lcnb"):
        load_checkpoint(path)


def test_config_of_a_run(path):
    config = TrainConfig(dataset="camvid", crop=(32, 40), class_weight=None)
    saved = json.loads(json.dumps(dataclasses.asdict(config)))
    save_checkpoint(path, {**STATE, "config": {**saved, "of_a_newer_version": 1}})
    assert config_of(path.parent) == config
    for wrong, text in (({"steps": "many"}, "settings that make no run"), ({"steps": 0}, "steps counts")):
        save_checkpoint(path, {**STATE, "config": {**saved, **wrong}})
        with pytest.raises(TrainingError, match=text):
            config_of(path.parent)


def test_config_of_a_run_without_a_checkpoint_yet(tmp_path):
    with pytest.raises(TrainingError, match=r"holds no run: checkpoint\.pt does not exist, nor does config\.json"):
        config_of(tmp_path)
    config = TrainConfig(dataset="camvid", crop=(32, 40), class_weight=None)
    (tmp_path / "config.json").write_text(json.dumps(dataclasses.asdict(config)))
    assert config_of(tmp_path) == config
    for content in ("{", "[]", "\udcff"):
        (tmp_path / "config.json").write_text(content, errors="surrogateescape")
        with pytest.raises(TrainingError, match=r"config\.json (is damaged|holds settings that make no run)"):
            config_of(tmp_path)


def rows(path):
    return path.read_bytes().decode().split("\n")


def test_the_log_has_one_header_and_is_cut_back(tmp_path):
    log = tmp_path / "log.csv"
    cut_log(log, 5)
    assert not log.exists()
    for step in (10, 20, 100):
        append_row(log, {"step": step, "loss": 0.5}, stages=3)
    header = "step,phase,loss,lr,images_per_s,miou_stage1,miou_stage2,miou_stage3,miou_true"
    assert rows(log) == [header, "10,,0.5,,,,,,", "20,,0.5,,,,,,", "100,,0.5,,,,,,", ""]
    cut_log(log, 20)
    assert rows(log) == [header, "10,,0.5,,,,,,", "20,,0.5,,,,,,", ""]
    cut_log(log, 0)
    append_row(log, {"step": 1}, stages=3)
    assert rows(log) == [header, "1,,,,,,,,", ""]


def test_a_line_cut_off_by_a_kill_is_dropped(tmp_path):
    log = tmp_path / "log.csv"
    append_row(log, {"step": 10}, stages=1)
    whole = log.read_text()
    log.write_text(whole + "12")  # of 120,...
    cut_log(log, 100)
    assert log.read_text() == whole
    log.write_text(whole[:4])  # of the header
    cut_log(log, 100)
    append_row(log, {"step": 10}, stages=1)
    assert log.read_text() == whole


def test_half_written_files_are_swept_and_nothing_else(path):
    kept = {"checkpoint.pt", "log.csv", ".hidden", "notes.txt"}
    for name in [*kept - {"checkpoint.pt"}, ".checkpoint.pt.k3j2.pt", ".log.csv.x.csv", ".config.json.y.json"]:
        (path.parent / name).touch()
    sweep(path.parent)
    assert {p.name for p in path.parent.iterdir()} == kept
