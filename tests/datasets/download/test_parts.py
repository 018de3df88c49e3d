"""Data sets that are published as archives, from the command line."""

import hashlib
import os
from dataclasses import replace

import pytest

from lcnb.datasets import load_dataset
from lcnb.datasets.download import sources
from tests.datasets import trees
from tests.datasets.download import published
from tests.datasets.download.published import publish, tar, zip_
from tests.folders import tree


@pytest.fixture
def voc(server, tmp_path, set_, root):
    return published.voc(server, tmp_path, set_)


def test_voc(voc, lcnb, root, server):
    out = lcnb.ok("data", "voc2012")
    assert f"fetching VOC.tar ({server.base}/VOC.tar)" in out
    assert os.listdir(root) == ["voc2012"]
    got = tree(root / "voc2012")
    noted = got.pop(".lcnb-trainval.sha256").decode()
    assert got == {f"VOCdevkit/VOC2012/{n}": c for n, c in tree(voc).items()}
    assert noted.count("\n") == len(got)
    assert len(load_dataset("voc2012", "train")) == 3
    server.log.clear()
    out = lcnb.ok("data", "voc2012")
    assert "is already in" in out
    assert "files all match their checksums; train has 3 of 3" in out
    assert server.log == []


@pytest.mark.parametrize("how", ["changed", "lost"])
def test_damage_is_found_later(voc, lcnb, root, how):
    """An unpacked file that changes or is lost later is named, though no checksums of single files are published"""
    lcnb("data", "voc2012")
    victim = root / "voc2012/VOCdevkit/VOC2012/JPEGImages/2007_train_000001.jpg"
    if how == "lost":
        victim.unlink()
    else:
        victim.write_bytes(victim.read_bytes()[:-1])
    for call in (("verify", "voc2012"), ("voc2012",)):
        lcnb.refused("data", *call, words="2007_train_000001.jpg")


def test_a_subset_by_hand_is_told_from_the_whole(voc, lcnb, root):
    """A data set put there by hand that is only a part of the published one: said, and left as it is"""
    trees.voc(root / "voc2012", {"train": 1, "val": 1})
    before = tree(root)
    err = lcnb.refused("data", "voc2012", words="train has 1 of 3 labelled images; val has 1 of 2")
    assert "not unpacked by this command, so no checksums" in err
    assert "For a whole one elsewhere, give --to DIR" in err
    assert tree(root) == before


def test_an_archive_by_hand_is_taken_and_kept(voc, lcnb, root, server):
    """An archive fetched by hand: checked, taken, and left where it lies"""
    work = root / "downloads/voc2012"
    work.mkdir(parents=True)
    content = server.files["/VOC.tar"]
    (work / "VOC.tar").write_bytes(content[:-512])
    err = lcnb.refused(
        "data", "voc2012", words=f"VOC.tar is not the published file ({len(content) - 512:,} bytes instead of"
    )
    (work / "VOC.tar").write_bytes(b"x" + content[1:])
    err = lcnb.refused("data", "voc2012", words="VOC.tar is not the published file (md5 ")
    assert "remove it and run" in err
    (work / "VOC.tar").write_bytes(content)
    assert lcnb("data", "voc2012")[0] == 0
    assert server.log == []
    assert tree(root / "downloads") == {"voc2012/VOC.tar": content}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (tar({"VOCdevkit/VOC2012/JPEGImages/a.jpg": b"1", "../out.txt": b"evil"}), "its name may lead elsewhere"),
        (tar({"VOC2012.txt": b"1"}), "holds no VOCdevkit/VOC2012/JPEGImages; it is not what was published"),
        (b"<html>", "is damaged or no archive"),
    ],
)
def test_an_archive_that_cannot_be_put_in_place(voc, lcnb, root, server, set_, content, text):
    """An archive that is evil, another one or none, though its checksum fits: no data set appears"""
    publish(server, "voc2012", "VOC.tar", content, set_)
    (root / "out.txt").write_text("mine")
    lcnb.refused("data", "voc2012", words=text)
    assert not (root / "voc2012").exists()
    assert (root / "out.txt").read_text() == "mine"
    publish(server, "voc2012", "VOC.tar", published.tar(published.contents(voc, "VOCdevkit/VOC2012/")), set_)
    (root / "downloads/voc2012/fetched/VOC.tar").unlink()
    assert lcnb("data", "voc2012")[0] == 0


def test_what_an_interrupted_call_unpacked(voc, lcnb, root):
    """A call that was killed while it unpacked: what it left is cleared away, and it starts again"""
    half = root / "downloads/voc2012/unpacked/trainval/VOCdevkit/VOC2012/JPEGImages"
    half.mkdir(parents=True)
    (half / "2007_train_000000.jpg").write_bytes(b"half")
    assert lcnb("data", "voc2012")[0] == 0
    assert os.listdir(root) == ["voc2012"]
    assert lcnb("data", "verify", "voc2012")[0] == 0


@pytest.fixture
def cityscapes(set_, root, tmp_path):
    set_(sources.SOURCES, "cityscapes", replace(sources.SOURCES["cityscapes"], pairs={"train": 2, "val": 1}))
    folder = trees.cityscapes(tmp_path / "published", {"aachen": 2})
    trees.cityscapes(folder, {"bochum": 1}, split="val")
    return {
        part: zip_(published.contents(folder / part, f"{part}/") | {"README": part.encode()})
        for part in ("leftImg8bit", "gtFine")
    }


def test_cityscapes_is_explained(lcnb, root):
    code, out, _ = lcnb("data", "cityscapes")
    assert code == 1
    for text in ("register", "leftImg8bit_trainvaltest.zip", "gtFine_trainvaltest.zip", f"{root}/downloads/cityscapes"):
        assert text in out
    assert list(root.iterdir()) == []


def test_cityscapes_by_hand_is_unpacked(cityscapes, lcnb, root):
    work = root / "downloads/cityscapes"
    work.mkdir(parents=True)
    (work / "leftImg8bit_trainvaltest.zip").write_bytes(cityscapes["leftImg8bit"])
    assert lcnb("data", "cityscapes")[0] == 1  # still one missing
    (work / "gtFine_trainvaltest.zip").write_bytes(cityscapes["gtFine"])
    out = lcnb.ok("data", "cityscapes")
    assert "(no checksum of it is published)" in out
    assert (root / "cityscapes/README").read_bytes() == b"leftImg8bit"
    assert len(load_dataset("cityscapes", "train")) == 2
    out = lcnb.ok("data", "cityscapes")
    assert "train has 2 of 2 labelled images; val has 1 of 1" in out


def test_a_part_that_fails_leaves_the_others(cityscapes, lcnb, root):
    """A further part of a data set that cannot be unpacked: what was there stays as it was"""
    work = root / "downloads/cityscapes"
    work.mkdir(parents=True)
    (root / "cityscapes/leftImg8bit").mkdir(parents=True)
    (root / "cityscapes/leftImg8bit/mine").write_text("mine")
    (work / "gtFine_trainvaltest.zip").write_bytes(cityscapes["gtFine"][:-100])
    before = tree(root)
    code, _, err = lcnb("data", "cityscapes")
    assert (code, "gtFine_trainvaltest.zip is damaged or no archive" in err) == (1, True)
    assert tree(root) == before


def test_room(voc, lcnb, root, monkeypatch):
    """A disk without room for it: said before anything is fetched"""
    monkeypatch.setattr("lcnb.datasets.download.files.free", lambda folder: 1000)
    for name in ("voc2012", "camvid"):
        err = lcnb.refused("data", name, words="needs about")
        assert "has 1.00kB free; make room, or choose another disk" in err
    assert list(root.iterdir()) == []


def test_the_dry_run_asks_nothing(voc, lcnb, root, server):
    digest = hashlib.md5(server.files["/VOC.tar"]).hexdigest()
    for name in sources.SOURCES:
        out = lcnb.ok("data", name, "--dry-run")
        assert out.splitlines()[1].startswith("terms: ")
        assert out.endswith("nothing was fetched (--dry-run)\n")
        if name == "voc2012":
            assert f"from: {server.base}/VOC.tar\n  {len(server.files['/VOC.tar']):,} bytes; md5 {digest}" in out
    out = lcnb("data", "sbd", "--dry-run", "--from", "https://example.org/sbd")[1]
    assert "from: https://example.org/sbd/benchmark.tgz" in out
    assert server.log == []
    assert list(root.iterdir()) == []


def test_verify_of_what_is_not_there(lcnb, root):
    for name in sources.SOURCES:
        err = lcnb.refused("data", "verify", name, words="is not here: ")
        assert f"get it with `lcnb data {name}`" in err
    assert lcnb("data", "verify", "streets")[0] == 2
