"""What `lcnb data camvid` and its like show while they run, and calls that are wrong."""

import pytest

from lcnb.cli.download import Meter


@pytest.fixture
def meter(monkeypatch):
    """As on a terminal; the clock goes a second at each look."""
    clock = iter(range(10_000))
    monkeypatch.setattr("lcnb.cli.download.time.monotonic", lambda: next(clock))
    monkeypatch.setattr("shutil.get_terminal_size", lambda: type("Size", (), {"columns": 100})())
    made = Meter()
    made.on = True
    return made


def test_the_live_line_says_how_far_and_how_fast(meter, capsys):
    meter("VOC.tar", 0, 2_000_000_000)
    meter("VOC.tar", 500_000_000, 2_000_000_000)
    drawn = capsys.readouterr().err.split("\r\x1b[K")
    assert drawn[1] == "[....................] 0.0 MB of 2,000.0  0.0 MB/s  VOC.tar"
    assert drawn[2].startswith("[#####...............] 500.0 MB of 2,000.0  ")
    meter("checking", 3, 12, "files")
    meter("unpacking", 3, None, "files")
    drawn = capsys.readouterr().err.split("\r\x1b[K")
    assert drawn[1].startswith("[#####...............] 3 of 12 files  0 a second  checking")
    assert drawn[2].startswith("3 files  0 a second  unpacking")


def test_sentences_stand_above_the_live_line(meter, capsys):
    meter.say("fetching")
    meter.pause("busy; again in 2 s")
    out, err = capsys.readouterr()
    assert out == "fetching\n"
    assert err.endswith("busy; again in 2 s\n")


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (("imagenet",), "invalid choice: 'imagenet'"),
        (("camvid", "--to", ""), "argument 4 is empty; leave it out"),
        (("camvid", "--to"), "expected one argument"),
        (("coco", "--only"), "expected at least one argument"),
        (("voc2012", "--repair"), "unrecognized arguments: --repair"),
        (("cityscapes", "--from", "https://example.org"), "unrecognized arguments"),
        (("verify",), "arguments are required: NAME"),
    ],
)
def test_wrong_calls(lcnb, call, text):
    code, _, err = lcnb("data", *call)
    assert (code, err.count("\n")) == (2, 1)
    assert text in err
