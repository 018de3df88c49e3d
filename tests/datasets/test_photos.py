"""The photographs of the checkout, and how one is found and read."""

import json

import pytest
import torch
from PIL import Image
from torchvision import tv_tensors

import lcnb
from lcnb.datasets.layouts import COVERED7, VOC_CLASSES, VOID
from lcnb.errors import DataError
from tests.cli.conftest import ROOT
from tests.datasets import trees

PHOTOS = ROOT / "data" / "photos"
FACTS = {fact["name"]: fact for fact in json.loads((PHOTOS / "photos.json").read_text(encoding="utf-8"))}
SHOWN = {"chelsea": {"background", "cat"}, "astronaut": {"background", "person"}}
"""The classes in each mask."""


def test_the_manifest_names_every_file_once():
    named = [fact[key] for fact in FACTS.values() for key in ("file", "mask") if fact[key] is not None]
    assert sorted([*named, "README.md", "photos.json"]) == sorted(p.name for p in PHOTOS.iterdir())
    assert len(FACTS) <= 6
    assert sum(p.stat().st_size for p in PHOTOS.iterdir()) <= 400_000
    assert {fact["licence"] for fact in FACTS.values()} == {"CC0-1.0", "public domain"}


@pytest.mark.parametrize("name", FACTS)
def test_a_photograph_has_colour_a_caption_and_a_credit(name):
    photo = lcnb.load_photo(name)
    assert (type(photo.image), photo.image.dtype, photo.image.shape[0]) == (tv_tensors.Image, torch.uint8, 3)
    assert min(photo.image.shape[1:]) >= 256
    assert max(photo.image.shape[1:]) <= 512
    assert (photo.image.amax(0) - photo.image.amin(0)).float().mean() > 10
    assert photo.caption == FACTS[name]["caption"]
    assert all(FACTS[name][key] in photo.credit for key in ("author", "licence", "source"))


@pytest.mark.parametrize("name", FACTS)
def test_a_mask_has_the_size_of_its_image_and_the_classes_that_the_photograph_shows(name):
    photo = lcnb.load_photo(name)
    assert (photo.mask is not None) == (name in SHOWN)
    if photo.mask is not None:
        assert (type(photo.mask), photo.mask.dtype) == (tv_tensors.Mask, torch.uint8)
        assert photo.mask.shape == photo.image.shape[1:]
        assert {COVERED7[k] for k in photo.mask.unique().tolist() if k != VOID} == SHOWN[name]
        assert (photo.mask == VOID).float().mean() < 0.05


@pytest.mark.parametrize("name", SHOWN)
def test_a_mask_file_is_a_palette_image_with_vocs_numbers(name):
    with Image.open(PHOTOS / FACTS[name]["mask"]) as image:
        assert image.mode == "P"
        assert {number for _, number in image.getcolors()} - {VOID} == {VOC_CLASSES.index(c) for c in SHOWN[name]}


def test_what_lies_where_in_the_masks():
    """At (row, column): a nose and both ears; hair, a sleeve, the neck; flag, helmet and shuttle are background."""
    cat, person = COVERED7.index("cat"), COVERED7.index("person")
    expected = {
        "chelsea": {(235, 265): cat, (10, 60): cat, (10, 360): cat, (60, 10): 0, (60, 420): 0, (260, 350): VOID},
        "astronaut": {
            (40, 230): person,
            (330, 60): person,
            (250, 30): 0,
            (420, 350): 0,
            (150, 390): 0,
            (170, 220): person,
        },
    }
    for name, points in expected.items():
        mask = lcnb.load_photo(name).mask
        assert {at: mask[at].item() for at in points} == points


def test_an_unknown_name_lists_those_that_exist():
    with pytest.raises(
        DataError, match="no photograph is named 'felix'; there are chelsea, astronaut, cow, dog, horses, pig"
    ):
        lcnb.load_photo("felix")


def test_without_the_folder_it_says_where_it_looked_and_how_to_get_it(root):
    with pytest.raises(DataError, match=rf"no photos/photos\.json in \$LCNB_DATA = {root}.* To have them, clone"):
        lcnb.load_photo("chelsea")


FACT = {"name": "a", "file": "a.jpg", "mask": "a.png", "author": "", "licence": "", "source": "", "caption": ""}


@pytest.mark.parametrize(
    ("manifest", "labels", "text"),
    [
        ("[", [0], r"photos\.json is damaged"),
        ("{}", [0], "there are $"),
        ('[{"name": "a"}]', [0], r"photos\.json is damaged \(KeyError\('file'\)\)"),
        (json.dumps([FACT]), [0, 21], r"a\.png holds the label 21"),
        (json.dumps([FACT | {"mask": "b.png"}]), [0], r"b\.png does not exist"),
        (json.dumps([FACT]), None, r"a\.jpg is 32x24 pixels but its mask .*a\.png is 8x8"),
    ],
    ids=["text", "empty", "fact", "label", "missing", "size"],
)
def test_a_damaged_folder(root, manifest, labels, text):
    """A damaged manifest or mask of the photographs: it is named"""
    folder = root / "photos"
    trees.write(trees.colours(), folder / "a.jpg")
    trees.write(trees.labels(labels or [0], size=(24, 32) if labels else (8, 8)), folder / "a.png")
    (folder / "photos.json").write_text(manifest)
    with pytest.raises(DataError, match=text):
        lcnb.load_photo("a")
