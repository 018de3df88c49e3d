"""Where data is looked for, and files that are written whole or not at all."""

import os
import stat

import pytest

from lcnb import paths
from lcnb.paths import absolute, checkout, data_roots, extra, searched, written_whole


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Working directory, home and two data folders, no checkout; LCNB_DATA is not set."""
    for name in ("here", "home", "one", "two"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))  # Windows
    monkeypatch.setattr(paths, "checkout", lambda: None)
    monkeypatch.delenv("LCNB_DATA", raising=False)
    return tmp_path


def test_what_to_install_is_the_checkout_where_there_is_one(places, monkeypatch):
    """Not a package of this name from an index, which could be anybody's."""
    assert extra("notebooks") == 'pip install "lcnb[notebooks]"'
    monkeypatch.setattr(paths, "checkout", lambda: places / "source")
    assert extra("notebooks") == f'pip install -e "{places}/source[notebooks]"'


def test_nothing_set_and_nothing_there(places):
    assert data_roots() == []
    assert searched() == f"$LCNB_DATA (not set), {places}/here/data"


@pytest.mark.parametrize("value", ["", " ", os.pathsep])
def test_empty_is_as_not_set(value, places, monkeypatch):
    monkeypatch.setenv("LCNB_DATA", value)
    assert data_roots() == []
    assert "(not set)" in searched()


def test_several_roots_in_order_then_the_working_directory_then_the_checkout(places, monkeypatch):
    for folder in (places / "here" / "data", places / "source" / "data"):
        folder.mkdir(parents=True)
    monkeypatch.setattr(paths, "checkout", lambda: places / "source")
    monkeypatch.setenv("LCNB_DATA", os.pathsep.join(str(places / n) for n in ("two", "one", "two")))
    expected = [places / n for n in ("two", "one", "here/data", "source/data")]
    assert data_roots() == expected
    assert searched() == "$LCNB_DATA = {} and {} and {}, {}, {}".format(*expected[:2], places / "two", *expected[2:])


def test_relative_and_home_paths_are_made_absolute(places, monkeypatch):
    (places / "home" / "pictures").mkdir()
    monkeypatch.setenv("LCNB_DATA", os.pathsep.join([os.path.join("..", "one"), os.path.join("~", "pictures")]))
    roots = data_roots()
    assert roots == [places / "one", places / "home" / "pictures"]
    monkeypatch.chdir(places / "one")
    assert all(root.is_dir() for root in roots)


def test_folders_that_do_not_exist_are_skipped_but_named(places, monkeypatch):
    (places / "file").touch()
    given = [places / "nowhere", places / "file", places / "one", "~nobody-of-that-name/x"]
    monkeypatch.setenv("LCNB_DATA", os.pathsep.join(map(str, given)))
    assert data_roots() == [places / "one"]
    message = searched()
    for name in ("nowhere", "file"):
        assert f"{places / name} (no such folder)" in message
    assert f"{places / 'one'} and" in message
    assert "nobody-of-that-name" in message


def test_a_root_whose_name_begins_like_another_is_named_too(places, monkeypatch):
    (places / "here" / "data").mkdir()
    (places / "here" / "data2").mkdir()
    monkeypatch.setenv("LCNB_DATA", "data2")
    assert searched() == f"$LCNB_DATA = {places}/here/data2, {places}/here/data"


def test_links_are_followed_once(places, monkeypatch):
    (places / "link").symlink_to(places / "one")
    (places / "loop").symlink_to(places / "loop")
    monkeypatch.setenv("LCNB_DATA", os.pathsep.join(str(places / n) for n in ("link", "one", "loop")))
    assert data_roots() == [places / "one"]


def test_absolute_does_not_need_the_path_to_exist(places):
    assert absolute("not/there") == places / "here" / "not" / "there"
    assert absolute("~/x") == places / "home" / "x"


def test_checkout_is_the_root_of_the_source_tree_or_nothing():
    root = checkout()
    assert root is None or (root / "pyproject.toml").is_file()


def test_written_whole_replaces_and_makes_folders(tmp_path):
    path = tmp_path / "new" / "folder" / "x.json"
    for text in ("first", "second"):
        with written_whole(path) as temporary:
            assert temporary.parent == path.parent
            assert temporary.suffix == ".json"
            temporary.write_text(text)
        assert path.read_text() == text
        assert [p.name for p in path.parent.iterdir()] == ["x.json"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(error, tmp_path):
    """An error or Ctrl-C in the middle of writing a file"""
    path = tmp_path / "x.json"
    path.write_text("old")

    def write_half():
        with written_whole(path) as temporary:
            temporary.write_text("hal")
            raise error

    with pytest.raises(error):
        write_half()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


@pytest.mark.skipif(os.name == "nt", reason="Windows does not replace open files")
def test_a_reader_of_the_old_file_reads_it_to_the_end(tmp_path):
    """A reader who has a file open while it is replaced reads the old one to its end"""
    path = tmp_path / "x.json"
    path.write_text("old" * 9999)
    with path.open() as reader:
        start = reader.read(3)
        with written_whole(path) as temporary:
            temporary.write_text("new")
        assert start + reader.read() == "old" * 9999
    assert path.read_text() == "new"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_written_whole_has_the_permissions_of_any_new_file(tmp_path):
    with written_whole(tmp_path / "x") as temporary:
        temporary.write_text("x")
    (tmp_path / "y").write_text("y")
    usual = stat.S_IMODE((tmp_path / "y").stat().st_mode)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == usual
    with written_whole(tmp_path / "x", 0o440) as temporary:
        temporary.write_text("x")
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == usual & 0o440
