"""Unpacking: plain files come out as they went in; whatever else an archive holds, nothing is written elsewhere."""

import gzip
import hashlib
import io
import os
import stat
import tarfile
import warnings
import zipfile

import pytest

from lcnb.datasets.download import files
from lcnb.datasets.download.files import unpack
from lcnb.errors import DownloadError

GOOD = [("data/a.png", b"image"), ("data/deep/b.txt", b""), ("c", b"x" * 3000)]
MOST = 1_000_000


def packed(path, members):
    """An archive of (name, content; None for a folder; a type and its target for a link or device)."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of two entries of one name
            for name, content, *_ in members:
                info = zipfile.ZipInfo("placeholder")
                info.filename, info.external_attr = name, (stat.S_IFREG | 0o644) << 16
                archive.writestr(info, content or b"")
        return path
    with tarfile.open(path, "w:gz" if path.suffix == ".tgz" else "w") as archive:
        for name, content, *link in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = (content, *link) if link else (tarfile.REGTYPE, "")
            info.type = tarfile.DIRTYPE if content is None else info.type
            info.size = 0 if link or content is None else len(content)
            archive.addfile(info, io.BytesIO(content or b""))
    return path


def cut(path):
    """An archive that ends early."""
    whole = packed(path, [("a", os.urandom(9000)), ("b", os.urandom(9000))]).read_bytes()
    path.write_bytes(whole[:8000])


def wrong_byte(path):
    """A zip with a wrong byte inside."""
    packed(path, [("a", os.urandom(9000))])
    content = bytearray(path.read_bytes())
    content[4000] ^= 1
    path.write_bytes(content)


def password(path):
    """A zip that says that it is encrypted."""
    content = bytearray(packed(path, [("a", b"content")]).read_bytes())
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)


def bomb(path):
    """60 MB in 60 kB."""
    with gzip.open(path, "wb") as file, tarfile.open(fileobj=file, mode="w") as archive:
        info = tarfile.TarInfo("zeros")
        info.size = 60_000_000
        archive.addfile(info, io.BytesIO(bytes(info.size)))


@pytest.mark.parametrize("name", ["x.tar", "x.tgz", "x.zip"])
def test_plain_files_come_out(tmp_path, name):
    path = packed(tmp_path / name, [("data/", None), *GOOD] if name.endswith("zip") else [(".", None), *GOOD])
    sums = unpack(path, tmp_path / "into", MOST)
    assert sums == {name: hashlib.sha256(content).hexdigest() for name, content in GOOD}
    assert all((tmp_path / "into" / name).read_bytes() == content for name, content in GOOD)
    assert list(unpack(path, tmp_path / "some", MOST, lambda name: name.endswith(".txt"))) == ["data/deep/b.txt"]
    assert [p.name for p in (tmp_path / "some").rglob("*") if p.is_file()] == ["b.txt"]


LINKS = {"symlink": tarfile.SYMTYPE, "hardlink": tarfile.LNKTYPE, "device": tarfile.CHRTYPE, "fifo": tarfile.FIFOTYPE}
HOSTILE = [
    *(
        (kind, [*GOOD, (name, b"evil")], "its name may lead elsewhere")
        for kind in ("tar", "zip")
        for name in ("../out.txt", "a/../../out.txt", "/tmp/lcnb-out.txt", "C:/out.txt", "..\\out.txt", "a\x1b[2J.txt")
    ),
    *(("tar", [("data", type_, target)], "no plain file") for type_ in LINKS.values() for target in ("/tmp", "data/a")),
    ("tar", [("data", tarfile.SYMTYPE, "/tmp"), ("data/lcnb-out.txt", b"evil")], "no plain file"),
    ("tar", [("../folder", None)], "its name may lead elsewhere"),
    *((kind, [("a.txt", b"one!"), ("A.txt", b"two!")], "is there twice") for kind in ("tar", "zip")),
    *((kind, [("a", b"one!"), ("a/b.txt", b"two!")], "is damaged or no archive") for kind in ("tar", "zip")),
    ("tar", [("a/b.txt", b"one!"), ("a", b"two!")], "is damaged or no archive|twice"),
    *((kind, [(str(k), b"") for k in range(101)], "holds more than 100 files") for kind in ("tar", "zip")),
    ("tar", [(str(k), None) for k in range(101)], "holds more than 100 files"),
    ("zip", [("zeros", bytes(2_000_000))], "or 1.00MB"),
    ("tgz", bomb, "or 1.00MB"),
    *((kind, cut, "is damaged or no archive") for kind in ("tar", "tgz", "zip")),
    ("zip", wrong_byte, "is damaged or no archive"),
    ("zip", password, "password"),
    *((kind, lambda path: path.write_bytes(b"<html>"), "is damaged or no archive") for kind in ("tar", "tgz", "zip")),
]


@pytest.mark.parametrize(("kind", "content", "text"), HOSTILE)
def test_hostile_archives(tmp_path, monkeypatch, kind, content, text):
    """An archive with names that lead out of the folder, links, devices, doubles, damage, or far too much in it"""
    monkeypatch.setattr(files, "MEMBERS", 100)
    path = tmp_path / f"x.{kind}"
    content(path) if callable(content) else packed(path, content)
    (tmp_path / "out.txt").write_text("mine")
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(DownloadError, match=text):
        unpack(path, tmp_path / "into", MOST)
    assert {p: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()} == before
    assert {p.name for p in tmp_path.iterdir()} <= {path.name, "out.txt", "into"}
    assert not any(p.is_symlink() for p in tmp_path.rglob("*"))
