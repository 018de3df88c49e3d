"""Picture files of every kind are read as RGB or labels, or refused in one sentence that names the file."""

import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import tv_tensors

from lcnb.datasets import read_image, read_mask
from lcnb.errors import DataError
from tests.datasets.trees import H, W, colours, labels, write

RGB = colours(3)
GREY = RGB[..., 0]


def saved(image, path, **options):
    image.save(path, **options)
    return path


def with_alpha(array):
    return np.dstack([array, np.full((H, W), 7, np.uint8)])  # nearly transparent: the colours still count


GREYSCALE = {
    "8-bit": ("x.png", Image.fromarray(GREY)),
    "with alpha": ("x.png", Image.fromarray(GREY).convert("LA")),
    "16-bit": ("x.png", Image.fromarray(GREY.astype(np.uint16) * 256 + 99)),
    "16-bit, big end first": ("x.tif", Image.fromarray((GREY.astype(np.uint16) * 256 + 99).astype(">u2"))),
    "16-bit in 32": ("x.tif", Image.fromarray(GREY.astype(np.int32) * 256 + 99)),
}


@pytest.mark.parametrize("kind", GREYSCALE)
def test_greyscale_is_repeated_in_three_channels(kind, tmp_path):
    name, image = GREYSCALE[kind]
    read = read_image(saved(image, tmp_path / name))
    assert isinstance(read, tv_tensors.Image)
    assert read.dtype == torch.uint8
    assert read.is_contiguous()
    assert torch.equal(read, torch.from_numpy(GREY).expand(3, H, W))


@pytest.mark.parametrize("suffix", ["png", "webp", "bmp", "tif", "ppm"])
def test_rgb_is_kept(suffix, tmp_path):
    options = {"lossless": True} if suffix == "webp" else {}
    read = read_image(saved(Image.fromarray(RGB), tmp_path / f"x.{suffix}", **options))
    assert torch.equal(read, torch.from_numpy(RGB).permute(2, 0, 1))


def test_transparency_is_dropped(tmp_path):
    read = read_image(saved(Image.fromarray(with_alpha(RGB)), tmp_path / "x.png"))
    assert torch.equal(read, torch.from_numpy(RGB).permute(2, 0, 1))


@pytest.mark.parametrize("transparency", [None, 3, bytes(range(256))], ids=["none", "one", "each"])
def test_palette_entries_are_looked_up(transparency, tmp_path):
    path = tmp_path / "x.png"
    image = Image.fromarray(GREY)
    palette = np.random.default_rng(1).integers(0, 256, (256, 3), dtype=np.uint8)
    image.putpalette(palette.tobytes())
    saved(image, path, **({} if transparency is None else {"transparency": transparency}))
    assert torch.equal(read_image(path), torch.from_numpy(palette[GREY]).permute(2, 0, 1))


def test_one_bit_and_cmyk_become_rgb(tmp_path):
    bits = read_image(saved(Image.fromarray(GREY > 99), tmp_path / "x.png"))
    assert torch.equal(bits, (torch.from_numpy(GREY > 99) * 255).to(torch.uint8).expand(3, H, W))
    red = Image.new("CMYK", (W, H), (0, 255, 255, 0))
    mean = read_image(saved(red, tmp_path / "x.jpg")).float().mean((1, 2))
    assert mean.tolist() == pytest.approx([255, 0, 0], abs=4)


@pytest.mark.parametrize(
    ("image", "text"),
    [
        (Image.fromarray(GREY.astype(np.float32)), "floating-point values"),
        (Image.merge("LAB", [Image.fromarray(GREY)] * 3), "CIELAB"),
        (Image.fromarray(GREY.astype(np.int32) * 70_000), "32-bit values"),
        (Image.fromarray(-GREY.astype(np.int32)), "32-bit values"),
    ],
)
def test_pixels_without_a_meaning_as_rgb_are_refused_by_name(image, text, tmp_path):
    path = saved(image, tmp_path / "x.tif")
    with pytest.raises(DataError, match=rf"x\.tif holds {text}.*convert it to 8-bit RGB"):
        read_image(path)


@pytest.mark.parametrize("kind", ["grey", "palette", "16-bit", "32-bit"])
def test_masks_keep_their_numbers(kind, tmp_path):
    values = labels([0, 1, 11, 20, 255])
    array = {"16-bit": values.astype(np.uint16), "32-bit": values.astype(np.int32)}.get(kind, values)
    path = write(array, tmp_path / ("x.tif" if kind == "32-bit" else "x.png"), palette=kind == "palette")
    read = read_mask(path)
    assert read.dtype == torch.uint8
    assert torch.equal(read, torch.from_numpy(values))


def test_a_one_bit_mask_is_zero_and_one(tmp_path):
    assert torch.equal(read_mask(saved(Image.fromarray(GREY > 99), tmp_path / "x.png")), torch.from_numpy(GREY > 99))


@pytest.mark.parametrize("bits", [2, 4])
def test_a_mask_of_few_bits_holds_labels_and_not_the_brightness_they_stand_for(bits, tmp_path):
    values = np.arange(8 // bits * 2 * 3, dtype=np.uint8).reshape(3, -1) % 2**bits
    whole = np.unpackbits(values[..., None], axis=-1)[..., -bits:].reshape(3, -1)
    rows = b"".join(b"\0" + np.packbits(row).tobytes() for row in whole)
    head = struct.pack(">IIBBBBB", values.shape[1], 3, bits, 0, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    body = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(body))
    assert torch.equal(read_mask(tmp_path / "x.png"), torch.from_numpy(values))
    brightness = read_image(tmp_path / "x.png")[0]
    assert brightness.max() == values.max() * (255 // (2**bits - 1))


@pytest.mark.parametrize("read", [read_image, read_mask])
def test_what_is_no_file_is_named(read, tmp_path):
    """Data sets look for their files first: the command line never comes here."""
    with pytest.raises(DataError, match=r"x\.png does not exist"):
        read(tmp_path / "x.png")
    with pytest.raises(DataError, match="is a folder, not an image"):
        read(tmp_path)
