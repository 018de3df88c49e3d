"""Small films made for tests: of any codec, size and turn, and broken in the ways that films are."""

import struct
from fractions import Fraction

import av
import numpy as np


def film(path, frames=5, size=(48, 64), codec="mpeg4", rate=10, turned=0, times=None, pixel=None):
    """Frame k is grey of 40 k, with a white quarter at the top left.

    `turned` is the rotation that a phone notes; `times` are the frames' times in units of 1 / rate;
    `pixel` is a pixel's width over its height.
    """
    height, width = size
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(rate))
        stream.height, stream.width = height, width
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        if pixel is not None:
            stream.codec_context.sample_aspect_ratio = pixel
        for k in range(frames):
            image = np.full((height, width, 3), 40 * k % 240, np.uint8)
            image[: height // 2, : width // 2] = 255
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[k], Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    if turned:
        turn(path, turned)
    return path


def turn(path, degrees):
    """Write a display matrix into an mp4's track header: show it turned clockwise by this much."""
    cos, sin = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    matrix = [cos, sin, 0, -sin, cos, 0, 0, 0, 0]
    words = [v * 0x10000 for v in matrix[:8]] + [0x40000000]
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    assert data[at : at + 36] == struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    data[at : at + 36] = struct.pack(">9i", *words)
    path.write_bytes(data)


def trim(path, start, seconds):
    """Show only this part of an mp4, as a stream copy does: all frames stay in the file, its edit list selects some."""
    data = bytearray(path.read_bytes())
    edit, film_rate, media_rate = data.index(b"elst") + 12, data.index(b"mvhd") + 16, data.index(b"mdhd") + 16
    (per_second,), (ticks,) = struct.unpack_from(">I", data, film_rate), struct.unpack_from(">I", data, media_rate)
    (first,) = struct.unpack_from(">I", data, edit + 4)
    struct.pack_into(">II", data, edit, round(seconds * per_second), first + round(start * ticks))
    path.write_bytes(data)
    return path


def sound(path):
    """A second of silence."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
