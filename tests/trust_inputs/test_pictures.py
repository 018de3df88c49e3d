"""Photographs that are none: `lcnb slider`, the upload button, and the images and masks of a data set."""

import os
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from lcnb.datasets.images import decode_photo, read_photo
from lcnb.errors import DataError
from lcnb.widgets import PhotoExplorer
from tests.trust_inputs.files import BOMBS, DAMAGED, JPEG, NO_COLOURS, NO_PICTURES, POSTSCRIPT, RGB, encoded

SENTENCE = {
    **dict.fromkeys(NO_PICTURES, "is not an image that can be read here"),
    **dict.fromkeys(DAMAGED, "is damaged or cut off"),
    **dict.fromkeys(BOMBS, "claims more than 89,478,485 pixels; shrink it"),
    **dict.fromkeys(NO_COLOURS, "convert it to 8-bit RGB"),
}
BAD = NO_PICTURES | DAMAGED | BOMBS | NO_COLOURS


@pytest.mark.parametrize("kind", BAD)
def test_a_photo_that_is_none(kind, refused, data, home):
    """`lcnb slider` on a file called .jpg that is no picture, damaged, or a bomb: a sentence, no page"""
    (home / "photo.jpg").write_bytes(BAD[kind])
    assert "photo.jpg" in refused("slider", "photo.jpg", "--weights", "tiny", words=SENTENCE[kind])


@pytest.mark.parametrize("kind", BAD)
def test_an_upload_that_is_none(kind, small_cascade):
    """The same files through the upload button of a notebook: a sentence in the page, no exception"""
    explorer = PhotoExplorer(small_cascade, ("a", "b", "c", "d"), 0.9)
    explorer.take([{"name": "<img src=x onerror=alert(1)>.jpg", "content": BAD[kind]}])
    assert SENTENCE[kind] in explorer.message.value
    assert "<img" not in explorer.message.value
    assert len(explorer.children) == 2


def test_postscript_starts_no_program(tmp_path, monkeypatch):
    """A PostScript file called .jpg: Ghostscript, which Pillow would start, is never asked for"""
    called = tmp_path / "called"
    (tmp_path / "gs").write_text(f"#!/bin/sh\ntouch {called}\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)
    with pytest.raises(DataError, match="not an image"):
        decode_photo(POSTSCRIPT)
    assert not called.exists()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(lambda p: None, "does not exist; name an image", id="no such file"),
        pytest.param(lambda p: p.mkdir(), "is no file; name an image", id="a folder"),
        pytest.param(os.mkfifo, "is no file; name an image", id="a pipe that nobody writes to"),
        pytest.param(lambda p: p.symlink_to("/dev/zero"), "is no file; name an image", id="a device without end"),
        pytest.param(lambda p: p.symlink_to(p), "does not exist; name an image", id="a link to itself"),
        pytest.param(lambda p: (p.touch(), os.truncate(p, 10**9)), "has 1000 MB; scale", id="a gigabyte"),
    ],
)
def test_a_photo_that_is_no_file(make, words, refused, data, home):
    """`lcnb slider` on what is no file, never ends or is far too large: a sentence at once"""
    make(home / "photo.jpg")
    if (home / "photo.jpg").is_file():
        with pytest.raises(DataError, match=words):
            read_photo(home / "photo.jpg")
    else:
        refused("slider", "photo.jpg", "--weights", "tiny", words=words)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(encoded(Image.fromarray(np.full((48, 64), 30_000, np.uint16))), id="16 bits a pixel"),
        pytest.param(encoded(RGB.convert("CMYK"), "JPEG"), id="CMYK"),
        pytest.param(encoded(RGB.convert("P")), id="a palette"),
        pytest.param(encoded(RGB.convert("RGBA")), id="transparency"),
        pytest.param(encoded(RGB.convert("LA")), id="grey with transparency"),
        pytest.param(encoded(RGB.convert("1")), id="one bit a pixel"),
        pytest.param(
            encoded(RGB.convert("P"), "GIF", save_all=True, append_images=[RGB.rotate(90).convert("P")]), id="animated"
        ),
        pytest.param(JPEG[:2] + b"\xff\xe1\x00\x20Exif\0\0MM\0*" + b"\xff" * 20 + JPEG[2:], id="damaged EXIF"),
        pytest.param(JPEG + b"<?php ?>" * 100, id="something behind its end"),
    ],
)
def test_unusual_photos_are_read(content):
    """Photographs of every usual kind (16-bit, CMYK, palette, animated, damaged EXIF, ...) come out as RGB"""
    photo = decode_photo(content)
    assert (photo.shape, photo.dtype) == ((3, 48, 64), torch.uint8)


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (7, 5)], ids=str)
def test_tiny_photos(size, lcnb, data, home):
    """`lcnb slider` on photographs of one pixel, one row or one column"""
    (home / "photo.png").write_bytes(encoded(Image.new("RGB", size)))
    assert lcnb("slider", "photo.png", "--weights", "tiny")[0] == 0


@pytest.mark.parametrize(
    "name",
    ["<img src=x onerror=alert(1)>", "<script>alert(1)<script>", "a&b'\"c d", "\x1b[31mred\x07", "new\nline", "\udcff"],
    ids=ascii,
)
def test_hostile_names(name, lcnb, data, home):
    """A photograph whose name is HTML, a colour code or no text: the page and the terminal show it as text"""
    (home / f"{name}.png").write_bytes(encoded())
    out = lcnb.ok("slider", home / f"{name}.png", "--weights", "tiny")
    assert out.rstrip("\n").isprintable()
    page = next(home.glob("*.html")).read_text(encoding="utf-8")
    assert "<img src=x" not in page
    assert page.count("<script") == 2  # the data and the slider
    assert "script-src 'sha256-" in page


@pytest.fixture
def camvid(data, tmp_path, monkeypatch):
    """A copy of the tiny CamVid that may be spoilt."""
    shutil.copytree(data, tmp_path / "mine")
    monkeypatch.setenv("LCNB_DATA", str(tmp_path / "mine"))
    return tmp_path / "mine" / "camvid"


BELOW = Image.fromarray(np.full((48, 64), -1, np.int32))
SPOILT = {
    "a mask of another size": ("valannot/0.png", np.zeros((10, 9), np.uint8), "0.png is 64x48 pixels but its mask"),
    "a label outside the classes": ("valannot/0.png", np.full((48, 64), 77, np.uint8), "holds the label 77"),
    "a mask of colours": ("valannot/0.png", np.zeros((48, 64, 3), np.uint8), "a mask is an 8-bit greyscale"),
    "a mask with transparency": ("valannot/0.png", np.zeros((48, 64, 4), np.uint8), "a mask is an 8-bit greyscale"),
    "a mask of grey with transparency": ("valannot/0.png", encoded(RGB.convert("LA")), "a mask is an 8-bit greyscale"),
    "labels below 0": ("valannot/0.png", encoded(BELOW, "TIFF"), "holds the label -1"),
    "labels above 255": ("valannot/0.png", np.full((48, 64), 300, np.uint16), "holds the label 300"),
    "an empty mask": ("valannot/0.png", b"", "is empty"),
    "a mask of HTML": ("valannot/0.png", NO_PICTURES["an HTML page"], "is no image"),
    "half a mask": ("valannot/0.png", DAMAGED["a PNG that ends early"], "is damaged or cut off"),
    "a bomb for a mask": ("valannot/0.png", BOMBS["one that claims 100 million"], "claims more than"),
    **{kind: ("val/0.png", content, "val/0.png") for kind, content in (DAMAGED | BOMBS).items()},
    "an image of HTML": ("val/0.png", NO_PICTURES["an HTML page"], "val/0.png"),
    "an image of PostScript": ("val/0.png", POSTSCRIPT, "val/0.png"),
    "a missing image": ("val.txt", b"0.png\nnope.png\n", "val.txt names nope.png, but"),
    "an absolute path": ("val.txt", b"/etc/passwd /etc/shadow\n", "camvid/val/passwd.png does not exist"),
    "a path that climbs": ("val.txt", b"../../../../etc/passwd x\n", "camvid/val/passwd.png does not exist"),
    "the folder itself": ("val.txt", b".\n", "does not exist"),
    "a list of nothing": ("val.txt", b"", "names no images"),
    "blank lines only": ("val.txt", b"\n \n\t\n", "names no images"),
    "NUL characters": ("val.txt", b"\0\0\n", "val.txt names ??.png"),
    "colour codes": ("val.txt", b"\x1b[31mx.png\n", "val.txt names ?[31mx.png"),
    "a list in UTF-16": ("val.txt", "0.png\n".encode("utf-16"), "is no text, so no list"),
    "a list in Latin-1": ("val.txt", b"caf\xe9.png\n", "is no text, so no list"),
    "a name of 5000 letters": ("val.txt", b"x" * 5000, "does not exist"),
    "a folder for a list": ("val.txt", os.mkdir, "val.txt"),
    "a pipe for a list": ("val.txt", os.mkfifo, "val.txt"),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_a_spoilt_data_set(kind, camvid, refused):
    """`lcnb eval` on a bad mask, image or list: it is named, at once, and nothing outside is read."""
    name, content, words = SPOILT[kind]
    if callable(content):
        content(camvid / name)
    elif isinstance(content, bytes):
        (camvid / name).write_bytes(content)
    else:
        Image.fromarray(content).save(camvid / name)
    error = refused("eval", "--weights", "tiny", "--json", "scores.json", words=words)
    assert name in error or name == "val.txt"


def test_masks_of_nothing(camvid, lcnb):
    """Masks in which every pixel is ignored: no score is made up"""
    for i in (0, 1):
        Image.fromarray(np.full((48, 64), 11, np.uint8)).save(camvid / "valannot" / f"{i}.png")
    out = lcnb.ok("eval", "--weights", "tiny")
    assert "mIoU                         -" in out


@pytest.mark.parametrize(
    "content",
    [b"0.png 0.png\r\n1.png 1.png\r\n", b"\xef\xbb\xbf0.png\n1.png\n", b"\n\n0.png\n\n1.png", b"0\n1\n"],
    ids=["Windows line ends", "a byte order mark", "blank lines", "no suffixes"],
)
def test_lists_as_people_write_them(content, camvid, lcnb):
    """A list with Windows line ends, a byte order mark, blank lines or no suffixes is read"""
    (camvid / "val.txt").write_bytes(content)
    out = lcnb.ok("eval", "--weights", "tiny")
    assert "2 images" in out
