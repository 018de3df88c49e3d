"""Clips: any size, turn and codec, one frame at a time, and a sentence for every file that is none."""

import builtins
import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
import torch

from lcnb.errors import LcnbError
from lcnb.video import Clip, VideoError, write_video
from tests.video.films import film, sound, trim


@pytest.fixture
def clip(tmp_path):
    return film(tmp_path / "clip.mp4")


def test_frames_come_in_order_with_the_clips_facts(clip):
    found = Clip(clip)
    assert (found.fps, found.count, found.size) == (10, 5, (48, 64))
    frames = list(found.frames())
    assert [tuple(f.shape) for f in frames] == [(3, 48, 64)] * 5
    assert frames[0].dtype == torch.uint8
    for k, frame in enumerate(frames):
        assert frame[:, 30:, 40:].float().mean().item() == pytest.approx(40 * k, abs=4)
    assert len(list(found.frames())) == 5  # again from the start
    assert "64x48, 5 frames, 10 per second" in repr(found)


@pytest.mark.parametrize(
    ("every", "limit", "numbers"),
    [(1, 2, [0, 1]), (2, None, [0, 2, 4]), (2, 2, [0, 2]), (9, None, [0]), (1, 99, [0, 1, 2, 3, 4])],
)
def test_every_and_limit(clip, every, limit, numbers):
    found = Clip(clip)
    frames = list(found.frames(every, limit))
    assert [round(f[:, 30:, 40:].float().mean().item() / 40) for f in frames] == numbers
    assert found.expected(every, limit) == (len(numbers) if limit != 99 else 5)


@pytest.mark.parametrize(("every", "limit"), [(0, None), (1, 0), (-1, 3)])
def test_every_and_limit_of_nothing(clip, every, limit):
    with pytest.raises(VideoError, match="at least 1, got"):
        Clip(clip).frames(every, limit)


def test_stopping_early_needs_no_whole_file(tmp_path):
    path = film(tmp_path / "long.mp4", frames=40)
    assert len(list(Clip(path).frames(limit=3))) == 3


@pytest.mark.parametrize(
    ("turned", "size", "white"), [(0, (48, 64), (0, 0)), (90, (64, 48), (0, 1)), (180, (48, 64), (1, 1))]
)
def test_phone_films_come_out_upright(tmp_path, turned, size, white):
    """Turned clockwise, the white quarter at the top left comes to the top right, then to the bottom right."""
    found = Clip(film(tmp_path / "phone.mp4", frames=1, turned=turned))
    (frame,) = found.frames()
    assert found.size == tuple(frame.shape[1:]) == size
    quarters = frame.float().mean(0).unflatten(1, (2, -1)).unflatten(0, (2, -1)).mean((1, 3))
    assert (quarters > 200).nonzero().tolist() == [list(white)]
    assert quarters.flatten().sort().values[:3].max() < 60


@pytest.mark.parametrize(("longest", "size"), [(None, (480, 854)), (427, (240, 427)), (9999, (480, 854))])
def test_large_films_are_scaled_down_and_small_ones_left(tmp_path, longest, size):
    assert Clip(film(tmp_path / "large.mp4", frames=1, size=(480, 854)), longest).size == size


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mkv", "mpeg4"), ("a.webm", "libvpx"), ("a.mov", "mjpeg"), ("a.avi", "mpeg4")]
)
def test_other_containers_and_codecs(tmp_path, name, codec):
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no {codec}")
    frames = list(Clip(film(tmp_path / name, codec=codec)).frames())
    assert frames
    assert tuple(frames[0].shape) == (3, 48, 64)


def write(path, data):
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("name", "make", "words"),
    [
        ("missing.mp4", lambda p: p, "does not exist"),
        ("folder.mp4", lambda p: p.mkdir() or p, "is no file"),
        ("empty.mp4", lambda p: write(p, b""), "is empty"),
        ("letter.mp4", lambda p: write(p, b"Dear reader, this is no film.\n" * 40), "is no video"),
        ("noise.mp4", lambda p: write(p, bytes(range(256)) * 40), "is no video"),
        ("song.m4a", sound, "has no video stream .it holds: audio"),
        ("half.mp4", lambda p: write(p, film(p).read_bytes()[:400]), "is no video, or its beginning or end is missing"),
    ],
)
def test_a_file_that_is_no_clip_is_a_sentence(tmp_path, name, make, words):
    """A clip that is empty, text, a song, a folder or missing: a sentence"""
    path = make(tmp_path / name)
    with pytest.raises(LcnbError, match=f"{name} {words}") as caught:
        Clip(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("extra", "words"),
    [(100, "damaged: "), (0, "cut off: it announces 3.00 s and ends after ")],
    ids=["in a frame", "between frames"],
)
def test_a_film_that_is_cut_off_gives_what_it_has_and_then_says_so(tmp_path, extra, words):
    """A film that ends early: its frames come, and then a sentence"""
    path = tmp_path / "cut.mp4"
    noise = np.random.default_rng(0).integers(0, 256, (30, 48, 64, 3), dtype=np.uint8)
    write_video(path, noise, 10)
    whole = path.read_bytes()
    with av.open(str(path)) as container:
        packet = list(container.demux(video=0))[15]
    path.write_bytes(whole[: packet.pos + extra])
    numbers = iter(range(100))
    with pytest.raises(VideoError, match=rf"cut\.mp4 is {words}.*; get it again, or stop before that frame"):
        list(zip(Clip(path).frames(), numbers, strict=False))
    assert 3 < next(numbers) < 29
    assert len(list(Clip(path).frames(limit=3))) == 3


@pytest.mark.parametrize("times", [(0, 1, 2, 6, 7, 9), (0, 4, 5, 6, 7, 8), (0, 1, 2, 3, 4, 5)])
def test_frames_of_a_film_of_varying_rate_are_evenly_spaced(tmp_path, times):
    clip = Clip(film(tmp_path / "varying.mp4", frames=6, times=times))
    shown = [round(frame[:, 30:, 40:].float().mean().item() / 40) for frame in clip.frames()]
    assert abs(len(shown) - clip.seconds * clip.fps) <= 1
    assert shown == sorted(shown)
    for k, i in enumerate(shown):
        assert times[i] / 10 <= (k + 0.5) / clip.fps + 1e-6
        assert i == 5 or times[i + 1] / 10 >= (k - 0.5) / clip.fps - 1e-6


def test_oblong_pixels_become_square_ones(tmp_path):
    path = film(tmp_path / "anamorphic.mkv", pixel=Fraction(4, 3))
    assert Clip(path).size == (48, 85)
    (frame,) = Clip(path).frames(limit=1)
    assert tuple(frame.shape) == (3, 48, 85)
    assert Clip(path, longest=40).size == (22, 40)


@pytest.mark.parametrize(
    ("start", "seconds", "numbers"),
    [
        (0, 4, range(40)),
        (1.3, 1.2, range(13, 25)),
        (0, 1, range(10)),
        (3.5, 0.5, range(35, 40)),
    ],
    ids=["all", "middle", "beginning", "end"],
)
def test_a_trimmed_film_gives_the_frames_that_it_shows(tmp_path, start, seconds, numbers):
    """Phones and `ffmpeg -c copy` trim by an edit list: frames outside it stay in the file, and are no loss."""
    path = trim(film(tmp_path / "trimmed.mp4", frames=40), start, seconds)
    found = [round(frame[:, 30:, 40:].float().mean().item() / 40) for frame in Clip(path).frames()]
    assert found == [k % 6 for k in numbers]
    assert Clip(path).count == Clip(path).expected() == len(numbers)


def test_a_film_without_a_frame(tmp_path, monkeypatch):
    path = film(tmp_path / "none.mp4")
    monkeypatch.setattr(Clip, "_decoded", lambda self: iter(()))
    with pytest.raises(VideoError, match=r"none\.mp4 holds no frame"):
        Clip(path)


def test_without_pyav(monkeypatch, clip, tmp_path):
    real = builtins.__import__

    def none(name, *rest):
        if name == "av":
            raise ImportError("No module named 'av'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", none)
    for use in (lambda: Clip(clip), lambda: write_video(tmp_path / "x.mp4", [], 10)):
        with pytest.raises(LcnbError, match=r'needs PyAV; install it with `pip install -e .*\[notebooks\]"`'):
            use()


def test_a_clip_left_open_is_closed_in_silence(clip):
    """A clip that is still being read when Python ends: nothing is printed."""
    code = f"import lcnb.video as v; left = v.Clip({str(clip)!r}).frames(); next(left); print('read')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("read\n", "")
