"""A clock that ticks when it is told to."""

import pytest

from lcnb.benchmark import Stopwatch


class FakeStopwatch(Stopwatch):
    """Its time is `now`, which the opponents move on."""

    name = "fake"

    def __init__(self):
        super().__init__()
        self.now = 0.0

    def mark(self):
        self._marks.append(self.now)


@pytest.fixture
def fake():
    return FakeStopwatch()
