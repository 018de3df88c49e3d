"""Films are written whole or not at all, and play in a browser."""

import av
import numpy as np
import pytest

from lcnb.video import Clip, VideoError, write_video


def frames(number, size=(33, 47)):
    for k in range(number):
        yield np.full((*size, 3), 50 * k, np.uint8)


def test_h264_with_even_sides_and_the_right_colours(tmp_path):
    path = tmp_path / "new" / "film.mp4"
    assert write_video(path, frames(5), 12.5) == 5
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height, float(stream.average_rate)) == (48, 34, 12.5)
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # plays before it is whole
    for k, frame in enumerate(Clip(path).frames()):
        assert frame.float().mean().item() == pytest.approx(50 * k, abs=4)


def test_frames_are_taken_one_at_a_time(tmp_path):
    alive, most = [0], [0]

    class Frame(np.ndarray):
        def __new__(cls):
            alive[0] += 1
            most[0] = max(most[0], alive[0])
            return np.zeros((16, 16, 3), np.uint8).view(cls)

        def __del__(self):
            if self.base is not None and self.shape == (16, 16, 3) and type(self.base) is np.ndarray:
                alive[0] -= 1

    write_video(tmp_path / "x.mp4", (Frame() for _ in range(40)), 10)
    assert most[0] <= 3


@pytest.mark.parametrize(
    ("name", "coming", "fps", "words"),
    [
        ("x.avi", frames(1), 10, r"does not end in \.mp4.*name it x\.mp4"),
        ("x.mp4", frames(0), 10, "there is no frame to write"),
        ("x.mp4", frames(2), 0, "more than 0 frames per second, got 0"),
        ("x.mp4", [*frames(1), *frames(1, (16, 16))], 10, "frame 1 is .16, 16, 3., and the film's first .33, 47, 3."),
    ],
)
def test_refuses_and_leaves_nothing(tmp_path, name, coming, fps, words):
    with pytest.raises(VideoError, match=words):
        write_video(tmp_path / name, coming, fps)
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_is_needed(tmp_path, monkeypatch):
    monkeypatch.setattr(av, "codecs_available", set())
    with pytest.raises(VideoError, match=r"no H\.264 encoder"):
        write_video(tmp_path / "x.mp4", frames(1), 10)
