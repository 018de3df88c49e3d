"""A busy machine is refused, or marked."""

import pytest

from lcnb.benchmark import BusyError, LoadWatch, Times, load
from lcnb.benchmark.load import Usage

START = Usage(100, 50, 10)
QUIET, BUSY = Usage(110, 59.5, 10.1), Usage(110, 52, 10.1)


def script(monkeypatch, *usages):
    """The next calls of `usage` return these."""
    left = iter(usages)
    monkeypatch.setattr(load, "usage", lambda: next(left))
    monkeypatch.setattr(load, "LOOK", 0)


def test_quiet(monkeypatch):
    script(monkeypatch, START, QUIET, Usage(130, 69.5, 19.8))
    found = LoadWatch().end([Times((0.010, 0.010, 0.011, 0.0101))])
    assert found.idle_before == pytest.approx(0.95)
    assert found.others_during == pytest.approx(0.3 / 20)
    assert not found.reasons
    assert found.as_dict()["busy"] is False


def test_busy_before(monkeypatch):
    script(monkeypatch, START, BUSY)
    with pytest.raises(BusyError, match=r"idle for 20% .* --even-if-busy"):
        LoadWatch()
    script(monkeypatch, START, BUSY, Usage(130, 52, 20))
    found = LoadWatch(even_if_busy=True).end()
    assert found.as_dict()["busy"] is True
    assert [r.split(" ")[0] for r in found.reasons] == ["idle", "others"]


@pytest.mark.parametrize(
    ("times", "busy"),
    [
        (Times((0.010, 0.020, 0.030, 0.040)), True),
        (Times((0.010, 0.020, 0.030, 0.040), steady=False), False),
        (Times((0.010, 0.030, 0.040)), False),
        (Times((0.00001, 0.00002, 0.00003, 0.00004)), False),
    ],
    ids=["apart", "not steady", "too few", "too short"],
)
def test_repeats_far_apart(monkeypatch, times, busy):
    script(monkeypatch, START, QUIET, Usage(130, 79, 10.2))
    assert bool(LoadWatch().end([times]).reasons) is busy


def test_one_unlucky_opponent_in_many_is_forgiven(monkeypatch):
    script(monkeypatch, START, QUIET, Usage(130, 79, 10.2))
    calm, wild = Times((0.010, 0.010, 0.010, 0.010)), Times((0.010, 0.020, 0.030, 0.040))
    assert LoadWatch().end([*[calm] * 20, wild]).reasons == []


def test_without_psutil(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "psutil", None)
    assert load.usage() is None
    found = LoadWatch().end()
    assert (found.idle_before, found.others_during, found.reasons) == (None, None, [])


def test_psutil_counts_our_own_work():
    before = load.usage()
    sum(i * i for i in range(300_000))
    after = load.usage()
    assert after.own >= before.own
    assert 0 <= (load.used(before, after)[0] or 0) <= 1
    assert load.used(before, before) == (None, None)
