"""Data roots that hold nothing but what a test puts there."""

from pathlib import Path

import pytest

from lcnb import paths


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """An empty folder that LCNB_DATA points at; the working directory and the checkout have no data."""
    folder, elsewhere = tmp_path / "datasets", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setattr(paths, "checkout", lambda: None)
    monkeypatch.setenv("LCNB_DATA", str(folder))
    return folder
