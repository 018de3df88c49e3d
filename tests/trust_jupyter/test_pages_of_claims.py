"""The pages of promises name the tests of what they say; these exist."""

import re

import pytest

from tests.cli.conftest import ROOT

NAMED = re.compile(r"`(tests/[\w/]+(?:\.py)?)/?(?:::(\w+))?`")


@pytest.mark.parametrize("page", ["security.md", "determinism.md", "compatibility.md", "reliability.md"])
def test_every_test_that_is_named_is_there(page):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    found = NAMED.findall(text)
    assert len(found) >= 4
    assert text.count("`tests/") == len(found)
    for path, name in found:
        assert (ROOT / path).exists(), path
        if name:
            assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), (path, name)
