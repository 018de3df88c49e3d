"""The facts are those that others publish."""

from urllib.parse import urlsplit

import torchvision.datasets
from torchvision.datasets.voc import DATASET_YEAR_DICT

from lcnb.datasets.download import SOURCES
from lcnb.datasets.download.install import BASE


def test_voc_and_sbd_are_those_of_torchvision():
    voc, sbd = SOURCES["voc2012"].archives[0], SOURCES["sbd"].archives[0]
    theirs = DATASET_YEAR_DICT["2012"]
    for ours, url, file, md5 in (
        (voc, theirs["url"], theirs["filename"], theirs["md5"]),
        (sbd, *(getattr(torchvision.datasets.SBDataset, name) for name in ("url", "filename", "md5"))),
    ):
        assert (ours.file, ours.digest, ours.by) == (file, f"md5:{md5}", "torchvision")
        if url.startswith("https:"):
            assert ours.url == url
        assert urlsplit(ours.url).path == urlsplit(url).path


def test_every_address_is_https():
    assert BASE.startswith("https://")
    for source in SOURCES.values():
        for archive in source.archives:
            assert archive.url.startswith("https://")
            assert not archive.digest or archive.by
            assert archive.size in (None, archive.about)
