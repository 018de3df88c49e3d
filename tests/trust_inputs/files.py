"""Bad files, made here byte by byte."""

import io
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

RGB = Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8))


def encoded(image=RGB, kind="PNG", **options):
    """A picture's file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def claiming(width, height):
    """A PNG of a few bytes that claims this size."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


class Payload:
    """A pickle of it creates a file wherever it is loaded carelessly."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))


def pickled(target):
    """Bytes that run code when they are unpickled; proven at once, so that the test can fail."""
    content = pickle.dumps(Payload(target))
    pickle.loads(content)
    assert target.exists()
    target.unlink()
    return content


PNG, JPEG = encoded(), encoded(kind="JPEG")
POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"
NO_PICTURES = {
    "an empty file": b"",
    "one byte": b"x",
    "an HTML page": b"<!DOCTYPE html><html><body>404 not found</body></html>",
    "an SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "a PDF": b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\n",
    "PostScript, for which Pillow starts a program": POSTSCRIPT,
    "a ZIP": b"PK\x03\x04" + bytes(100),
    "a GZIP": b"\x1f\x8b\x08" + bytes(50),
    "a photograph of an iPhone (HEIC)": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100),
    "the head of a JPEG": JPEG[:20],
    "the head of a PNG": PNG[:33],
    "a PNG of no pixels": claiming(0, 0),
}
DAMAGED = {
    "a PNG that ends early": PNG[: len(PNG) // 2],
    "a JPEG that ends early": JPEG[: len(JPEG) // 2],
    "a PNG without its pixels": claiming(64, 48),
}
BOMBS = {
    "a PNG of 70 bytes that claims 2500 million pixels": claiming(50_000, 50_000),
    "one that claims 100 million": claiming(10_000, 10_000),
    "one that claims 90 million in a strip": claiming(29_990, 3_000),
}
NO_COLOURS = {
    "floating-point values": encoded(Image.fromarray(np.full((48, 64), np.nan, np.float32)), "TIFF"),
    "32-bit values": encoded(Image.fromarray(np.full((48, 64), 2**30, np.int32)), "TIFF"),
}
