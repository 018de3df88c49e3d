"""Unpacking: plain files come out as they went in; whatever else an archive holds, nothing is written elsewhere."""

import hashlib
import stat
import zipfile
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lcnb.downloads.archive import Bounds, unpack
from lcnb.downloads.checksums import silent
from lcnb.downloads.names import fault
from lcnb.errors import DownloadError
from tests.downloads import evil

trust = pytest.mark.trust("downloads")
GOOD = [("data/a.png", b"picture"), ("data/deep/b.txt", b""), ("c", b"x" * 3000)]
BOUNDS = Bounds(1_000_000, 100)


@pytest.fixture
def around(tmp_path):
    """A folder with an archive, the folder to unpack into, and a neighbour that must not change."""
    (tmp_path / "out.txt").write_text("mine")
    (tmp_path / "into").mkdir()
    return tmp_path


def refused(around, path, text, bounds=BOUNDS):
    before = {p: p.read_bytes() for p in around.iterdir() if p.is_file()}
    with pytest.raises(DownloadError, match=text):
        unpack(path, around / "into", bounds, silent)
    assert {p: p.read_bytes() for p in around.iterdir() if p.is_file()} == before
    assert not any(p.is_symlink() for p in around.rglob("*"))


def packed(path, members):
    if path.suffix == ".zip":
        return evil.zip_(path, *members)
    return evil.tar(path, *members, mode="w:gz" if path.suffix == ".tgz" else "w")


@pytest.mark.parametrize("name", ["x.tar", "x.tgz", "x.zip"])
def test_plain_files_come_out(around, name):
    folders = [("data/", b"", stat.S_IFDIR | 0o755)] if name.endswith("zip") else [(".", None), ("data", None)]
    path = packed(around / name, [*folders, *GOOD])
    sums = unpack(path, around / "into", BOUNDS, silent)
    assert sums == {name: hashlib.sha256(content).hexdigest() for name, content in GOOD}
    assert all((around / "into" / name).read_bytes() == content for name, content in GOOD)
    assert [p.name for p in around.rglob("c")] == ["c"]


def test_some_of_it(around):
    path = packed(around / "x.tar", [("./data/a.png", b"1"), ("./data/b.txt", b"2")])
    assert list(unpack(path, around / "into", BOUNDS, silent, lambda name: name.endswith(".txt"))) == ["data/b.txt"]
    assert [p.name for p in (around / "into").rglob("*") if p.is_file()] == ["b.txt"]


@pytest.mark.trust("downloads", saved=True)
@pytest.mark.parametrize("kind", ["tar", "tgz", "zip"])
@pytest.mark.parametrize("name", evil.NAMES.values(), ids=evil.NAMES)
def test_names_that_lead_elsewhere(around, kind, name):
    """An archive with a name that leads out of the folder, is absolute, or that no file should have"""
    refused(
        around, packed(around / f"x.{kind}", [*GOOD, (name, b"evil")]), "which is refused because it|Windows cannot"
    )


@trust
def test_a_nul_in_a_name(around):
    """A name in a zip that is cut short by a NUL"""
    path = evil.zip_(around / "x.zip", ("innocent.txt?../../out.txt", b"evil"))
    path.write_bytes(path.read_bytes().replace(b"innocent.txt?", b"innocent.txt\0"))
    refused(around, path, "holds a character that no file name should have")


@pytest.mark.trust("downloads", saved=True)
@pytest.mark.parametrize("members", evil.TARS.values(), ids=evil.TARS)
def test_entries_that_are_no_plain_file(around, members):
    """An archive with links (out of it or inside), devices, pipes, or two entries of one name"""
    refused(around, evil.tar(around / "x.tar", *members), "no plain file|another entry has this name|leads out")


@trust
@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFCHR | 0o666, stat.S_IFIFO | 0o666])
def test_links_and_devices_in_a_zip(around, mode):
    """A zip with a link, a device or a pipe"""
    refused(around, evil.zip_(around / "x.zip", ("link", "/etc/passwd", mode)), "it is no plain file")


def test_two_names_in_a_zip_that_differ_in_case(around):
    refused(around, evil.zip_(around / "x.zip", ("a/b", b"1"), ("A/B", b"2")), "another entry has this name")


@trust
def test_bombs(around):
    """A small archive that unpacks to far too much: a tar, a zip, a header that asks for gigabytes of memory"""
    refused(around, evil.bomb(around / "x.tgz"), "holds more than 1.0 MB")
    refused(around, evil.zip_(around / "x.zip", ("zeros", bytes(2_000_000))), "holds more than 1.0 MB")
    refused(around, evil.header_bomb(around / "y.tgz"), "holds more than it may")


@trust
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_too_many_files(around, kind):
    """An archive of too many files, or of too many empty folders"""
    refused(around, packed(around / f"x.{kind}", [(f"{k}", b"") for k in range(101)]), "holds more than 100 files")
    if kind == "tar":
        refused(around, evil.tar(around / "y.tar", *[(f"{k}", None) for k in range(101)]), "holds more than 100 files")


@trust
@pytest.mark.parametrize("kind", ["tar", "tgz", "zip"])
@pytest.mark.parametrize("cut", [0.3, 0.9])
def test_an_archive_that_is_cut_off(around, kind, cut):
    """An archive that ends early"""
    path = packed(around / f"x.{kind}", [("a", bytes(range(256)) * 40), ("b", bytes(range(256)) * 40)])
    whole = path.read_bytes()
    path.write_bytes(whole[: int(cut * 20_000) if kind == "tar" else int(cut * len(whole))])
    refused(around, path, "is damaged or no archive|ends within")


@trust
@pytest.mark.parametrize(
    "content", [b"", b"<html>not found</html>", b"PK\3\4 no zip", b"\x1f\x8b no gzip", bytes(5000)]
)
def test_no_archive(around, content):
    """A file that is no archive at all"""
    path = around / "x.tar"
    path.write_bytes(content)
    if content == bytes(5000):  # what an empty tar looks like
        assert unpack(path, around / "into", BOUNDS, silent) == {}
    else:
        refused(around, path, "is damaged or no archive")


@trust
def test_a_zip_with_a_wrong_checksum_or_a_password(around):
    """A zip with a wrong byte inside, and one with a password"""
    path = evil.zip_(around / "x.zip", ("a", b"content of a"), compression=zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"content of a", b"c0ntent of a"))
    refused(around, path, "damaged or no archive .*CRC")
    locked = bytearray(evil.zip_(around / "y.zip", ("a", b"content")).read_bytes())
    locked[locked.index(b"PK\1\2") + 8] |= 1
    (around / "y.zip").write_bytes(locked)
    refused(around, around / "y.zip", "no plain file")


@trust
@given(st.text("./\\:~ aé\0\nnulCON", max_size=12))
def test_a_name_that_passes_stays_below(name):
    """Any name at all: one that is let through stays below the folder, on every system"""
    if fault(name) is None:
        for path in (PurePosixPath(name), PureWindowsPath(name)):
            assert not path.is_absolute()
            assert not path.anchor
            assert ".." not in path.parts
            assert path.parts
