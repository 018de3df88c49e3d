"""Archives that nobody should unpack."""

import gzip
import io
import stat
import tarfile
import warnings
import zipfile


def tar(path, *members, mode="w"):
    """A tar of (name, content or type, link name)."""
    with tarfile.open(path, mode) as archive:
        for name, content, *link in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes) and len(content) == 1 and link:
                info.type, info.linkname = content, link[0]
                archive.addfile(info)
            elif content is None:
                info.type = tarfile.DIRTYPE
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return path


def zip_(path, *members, compression=zipfile.ZIP_DEFLATED):
    """A zip of (name, content, mode)."""
    with zipfile.ZipFile(path, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of two entries of one name
        for name, content, *mode in members:
            info = zipfile.ZipInfo("placeholder")
            info.filename = name
            info.external_attr = (mode[0] if mode else stat.S_IFREG | 0o644) << 16
            archive.writestr(info, content, compression)
    return path


NAMES = {
    "up": "../out.txt",
    "up inside": "a/../../out.txt",
    "absolute": "/tmp/lcnb-out.txt",
    "drive": "C:/out.txt",
    "backslash": "..\\out.txt",
    "newline": "a\nb.txt",
    "escape": "a\x1b[2J.txt",
    "device name": "a/NUL.txt",
    "last dot": "a/b.",
    "long": "a/" + "b" * 300,
    "empty part": "a//b.txt",
}
TARS = {
    "symlink out": [("link", tarfile.SYMTYPE, "/etc/passwd")],
    "symlink inside": [("link", tarfile.SYMTYPE, "data/a.png")],
    "symlink, then through it": [("link", tarfile.SYMTYPE, "/tmp"), ("link/lcnb-out.txt", b"bad")],
    "hardlink out": [("link", tarfile.LNKTYPE, "../../etc/passwd")],
    "device": [("device", tarfile.CHRTYPE, "")],
    "block device": [("device", tarfile.BLKTYPE, "")],
    "fifo": [("pipe", tarfile.FIFOTYPE, "")],
    "folder out": [("../folder", None)],
    "twice": [("a.txt", b"one!"), ("a.txt", b"two!")],
    "case": [("a.txt", b"one!"), ("A.txt", b"two!")],
    "accent": [("\u00e9.txt", b"one!"), ("e\u0301.txt", b"two!")],
    "file, then folder": [("a", b"one!"), ("a/b.txt", b"two!")],
    "folder, then file": [("a/b.txt", b"one!"), ("a", b"two!")],
}


def bomb(path):
    """A gzip of 60 kB with a file of 60 MB."""
    with gzip.open(path, "wb") as file, tarfile.open(fileobj=file, mode="w") as archive:
        info = tarfile.TarInfo("zeros")
        info.size = 60_000_000
        archive.addfile(info, io.BytesIO(bytes(info.size)))
    return path


def header_bomb(path):
    """A gzip whose tar header says that the next 8 GB are a file's attributes, to be held in memory."""
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 8 << 30
    with gzip.open(path, "wb") as file:
        file.write(info.tobuf(tarfile.USTAR_FORMAT) if info.size < 8 << 30 else info.tobuf(tarfile.GNU_FORMAT))
        file.write(bytes(1 << 20))
    return path
