"""SBD's masks beside VOC, from the command line."""

import sys

import pytest
import torch

from lcnb.datasets import load_dataset
from tests.datasets import trees
from tests.datasets.download import published
from tests.folders import tree


@pytest.fixture
def voc(server, tmp_path, set_, root, lcnb):
    published.voc(server, tmp_path, set_)
    published.sbd(server, set_)
    assert lcnb("data", "voc2012")[0] == 0
    return root / "voc2012/VOCdevkit/VOC2012"


def test_the_split_of_the_paper(voc, lcnb, root, server):
    before = tree(root)
    out = lcnb.ok("data", "sbd")
    assert "of 4 files all match their checksums" in out
    assert "trainaug has 7 of 7 labelled images" in out
    data = load_dataset("voc2012", "trainaug")
    assert data.names == [*(f"2007_train_{k:06}" for k in range(3)), *(f"2008_{k:06}" for k in range(4))]
    assert torch.equal(data.mask(4), torch.from_numpy(trees.labels([*range(21)], 1)))
    after = tree(root)
    assert {n: c for n, c in after.items() if "trainaug" not in n and "ClassAug" not in n} == before
    assert len(after) == len(before) + 4 + 2
    server.log.clear()
    out = lcnb.ok("data", "sbd")
    assert "already in" in out
    assert "trainaug has 7 of 7 labelled images" in out
    assert server.log == []
    (voc / "ImageSets/Segmentation/trainaug.txt").unlink()  # as if it had been stopped between masks and list
    assert lcnb("data", "verify", "sbd")[0] == 1
    assert lcnb("data", "sbd")[0] == 0
    assert tree(root) == after


def test_without_voc(root, lcnb, server, tmp_path, set_):
    published.sbd(server, set_)
    lcnb.refused("data", "sbd", words="go beside PASCAL VOC 2012; get that first, with `lcnb data voc2012`")
    assert server.log == []
    assert list(root.iterdir()) == []


def test_without_scipy(voc, lcnb, server, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    server.log.clear()
    lcnb.refused("data", "sbd", words="which scipy reads; install it: `pip install scipy`")
    assert server.log == []


def test_masks_of_your_own(voc, lcnb, root):
    """Masks that were made by hand before: left alone"""
    (voc / "SegmentationClassAug").mkdir()
    (voc / "SegmentationClassAug/2008_000000.png").write_bytes(b"mine")
    before = tree(root)
    lcnb.refused("data", "sbd", words="SegmentationClassAug is there and was not made by this command")
    assert tree(root) == before


@pytest.mark.parametrize(
    ("mask", "text"),
    [
        (b"MATLAB 5.0 MAT-file, no more", "is no mask of SBD"),
        (b"\x80\x04\x95 pickle", "is no mask of SBD"),
        (published.mat(trees.labels([0, 21])), "holds no mask of 21 labels"),
        (published.mat(trees.labels([0, 1], size=(3, 5))), "is not of the size of its mask"),
    ],
)
def test_a_damaged_mask(voc, lcnb, root, server, set_, mask, text):
    """A mask that is damaged, no mask, of wrong labels or of another size: nothing is added to VOC"""
    before = tree(voc)
    published.sbd(server, set_, **{"benchmark_RELEASE/dataset/cls/2008_000002.mat": mask})
    lcnb.refused("data", "sbd", words=text)
    assert {n: c for n, c in tree(voc).items() if ".part" not in n} == before
    assert not (voc / "SegmentationClassAug").exists()


def test_a_voc_that_is_not_whole(voc, lcnb):
    (voc / "JPEGImages/2008_000003.jpg").unlink()
    lcnb.refused("data", "sbd", words="2008_000003.jpg is missing: this PASCAL VOC 2012 is not whole")
