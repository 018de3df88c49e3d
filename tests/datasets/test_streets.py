"""The embedded data set's drive: a video with one mask a frame."""

import sys

import pytest
import torch
from torchvision import tv_tensors

from lcnb.datasets import streets
from lcnb.errors import DataError
from tests.datasets import trees
from tests.video.films import film, sound

FRAMES, SIZE = 5, (48, 64)


@pytest.fixture
def folder(tmp_path):
    film(tmp_path / "drive.mp4", FRAMES, SIZE)
    for k in range(FRAMES):
        trees.write(trees.labels([*range(12)], k, SIZE), tmp_path / "driveannot" / f"{k:04}.png")
    return tmp_path


def test_the_drive_frame_by_frame(folder):
    frames = list(streets.drive(folder))
    assert len(frames) == FRAMES
    for k, (image, mask) in enumerate(frames):
        assert (type(image), type(mask)) == (tv_tensors.Image, tv_tensors.Mask)
        assert (image.dtype, tuple(image.shape)) == (torch.uint8, (3, *SIZE))
        assert image[:, 24:, 32:].float().mean().item() == pytest.approx(40 * k, abs=4)
        assert torch.equal(mask, torch.from_numpy(trees.labels([*range(12)], k, SIZE)))


@pytest.mark.parametrize("name", ["drive.mp4", "driveannot"])
def test_without_its_parts_there_is_no_drive_and_that_is_said_at_once(name, folder):
    (folder / name).rename(folder / "away")
    with pytest.raises(DataError, match=r"has no drive: drive\.mp4 or driveannot/\*\.png is missing"):
        streets.drive(folder)


@pytest.mark.parametrize(("change", "more"), [("fewer", "frame"), ("more", "mask")])
def test_another_number_of_masks_than_frames(change, more, folder):
    last = folder / "driveannot" / f"{FRAMES - 1:04}.png"
    if change == "fewer":
        last.unlink()
    else:
        trees.write(trees.labels([0], size=SIZE), folder / "driveannot" / f"{FRAMES:04}.png")
    with pytest.raises(DataError, match=rf"drive\.mp4 and its \d masks disagree: .* one more {more}"):
        list(streets.drive(folder))


@pytest.mark.parametrize(
    ("mask", "text"),
    [
        (trees.labels([0, 12], size=SIZE), r"0002\.png holds the label 12"),
        (trees.labels([0]), r"frame 2 of drive\.mp4 is 64x48 pixels but its mask .*0002\.png is 32x24"),
        (trees.colours(size=SIZE), r"0002\.png has pixels of mode 'RGB'"),
    ],
)
def test_a_mask_that_does_not_fit_its_frame(mask, text, folder):
    """A mask that does not fit its frame of a film: it is named"""
    trees.write(mask, folder / "driveannot" / "0002.png")
    ride = streets.drive(folder)
    next(ride), next(ride)
    with pytest.raises(DataError, match=text):
        next(ride)


@pytest.mark.parametrize("content", [b"", b"not a video", b"\x00" * 4096, None], ids=["empty", "text", "zeros", "cut"])
def test_a_damaged_video(content, folder):
    """A damaged film of a data set: it is named"""
    path = folder / "drive.mp4"
    path.write_bytes(path.read_bytes()[:-300] if content is None else content)
    with pytest.raises(DataError, match=r"drive\.mp4 is damaged or no video"):
        list(streets.drive(folder))


def test_a_file_with_sound_only(folder):
    sound(folder / "drive.mp4")
    with pytest.raises(DataError, match=r"drive\.mp4 has no images"):
        list(streets.drive(folder))


def test_without_pyav_it_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(DataError, match=r'needs PyAV; install it with `pip install -e .*\[notebooks\]"`'):
        streets.drive(folder)
