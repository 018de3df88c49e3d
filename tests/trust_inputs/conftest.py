"""What every case of the corpus must show: an exit code, one sentence, and a disk as it was before."""

import pytest

from tests.cli.conftest import data, data_root, home, lcnb  # noqa: F401


def contents(folder):
    """Every file of a folder, with its bytes; folders and pipes by name."""
    return {p: p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


@pytest.fixture
def refused(lcnb, home):  # noqa: F811
    """Run a command that must fail: one printable line with these words, nothing new on disk, nothing changed."""
    (home / "kept.txt").write_text("somebody's work")

    def call(*arguments, **expected):
        before = contents(home)
        error = lcnb.refused(*arguments, **expected)
        assert contents(home) == before
        return error

    return call
