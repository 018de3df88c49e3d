"""`lcnb data` and `lcnb weights` list and show."""

import json
import os
import re
import shutil

import pytest

from lcnb.datasets import class_shares, load_dataset


@pytest.mark.parametrize("arguments", [["data"], ["data", "list"]])
def test_data_list(lcnb, data, arguments):
    out = lcnb.ok(*arguments)
    rows = {line.split()[0]: line for line in out.splitlines()}
    assert rows["camvid"].split(maxsplit=2)[2] == f"train 3, val 2  {data / 'camvid'}"
    assert rows["voc2012"].endswith("not found; lcnb data voc2012")


def test_a_data_set_in_two_folders(lcnb, data, home, monkeypatch):
    for kind in ("train", "trainannot", "test", "testannot"):
        shutil.copytree(data / "camvid" / kind.replace("test", "val"), home / "more" / "camvid" / kind)
    monkeypatch.setenv("LCNB_DATA", os.pathsep.join([str(data), str(home / "more")]))
    rows = [line.split(maxsplit=2) for line in lcnb("data")[1].splitlines() if line.startswith("camvid")]
    assert [row[2] for row in rows] == [f"train 3, val 2  {data}/camvid", f"test 2          {home}/more/camvid"]
    assert (
        f"folder: {data}/camvid and {home}/more/camvid\nsplits: train 3, val 2, test 2\n"
        in lcnb("data", "show", "camvid")[1]
    )
    found = json.loads(lcnb("info", "--json")[1])["datasets"]["camvid"]
    assert found["splits"] == {"train": 3, "val": 2, "test": 2}
    assert found["folders"] == {f"{data}/camvid": ["train", "val"], f"{home}/more/camvid": ["test"]}
    monkeypatch.setenv("LCNB_DATA", os.pathsep.join([str(home / "more"), str(data)]))
    said = lcnb("info")[1]
    assert re.search(
        rf"^camvid +train 3, test 2 +{home}/more/camvid\ncamvid +val 2 +{data}/camvid$", said, re.MULTILINE
    )
    assert "LCNB_DATA names" not in said  # both serve


def test_data_show(lcnb, data):
    out = lcnb("data", "show", "camvid")[1]
    for words in ("CamVid (camvid)", "licence: research use", "splits: train 3, val 2", "unlabelled: 11", "    0  Sky"):
        assert words in out
    assert "share" not in out


def test_data_show_shares(lcnb, data):
    out = lcnb("data", "show", "camvid", "--shares", "--split", "val")[1]
    sky = class_shares(load_dataset("camvid", "val"))[0]
    assert "fraction of val" in out
    assert re.search(rf"^ +0  Sky +{100 * sky:.1f} %$", out, re.MULTILINE)


def test_data_show_what_is_not_here(lcnb, home):
    out = lcnb.ok("data", "show", "voc2012", "--classes", "covered7")
    assert "not found; run `lcnb data voc2012` (2 GB), or get VOCtrainval" in out
    assert "6  sheep" in out
    assert "is not here" in lcnb("data", "show", "voc2012", "--shares")[2]
    assert "no data set is named 'x'" in lcnb("data", "show", "x")[2]


def test_weights_list(lcnb, data, home):
    for arguments in (["weights"], ["weights", "list"]):
        out = lcnb(*arguments)[1]
        assert [line.split()[0] for line in out.splitlines()[2:]] == ["other", "tiny"]
        assert str(data / "weights" / "tiny") in out


def test_weights_list_with_scores_and_with_a_damaged_file(lcnb, home):
    for name, text in (("a", '{"dataset": "camvid", "true": {"miou": 0.5}}'), ("b", "{"), ("c", "[]")):
        folder = home / "data" / "weights" / name
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(b"")
        (folder / "metrics.json").write_text(text)
    rows = [line.split()[:3] for line in lcnb("weights", "list")[1].splitlines()[2:]]
    assert rows == [["a", "camvid", "0.500"], ["b", "-", "-"], ["c", "-", "-"]]


def test_no_weights(lcnb, home):
    assert lcnb("weights")[1].startswith("no weights in weights/ under $LCNB_DATA (not set)")


def test_weights_show(lcnb, data):
    about = json.loads(lcnb("weights", "show", "tiny")[1])
    assert (about["name"], about["rho"], about["config"]["width"]) == ("tiny", 0.5, 0.05)
    assert about["parameters"] > 1000
