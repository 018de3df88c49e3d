"""Wrong calls of `lcnb data`."""

import pytest


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (("imagenet",), "invalid choice: 'imagenet'"),
        (("camvid", "--to", ""), "argument 4 is empty; leave it out"),
        (("camvid", "--to"), "expected one argument"),
        (("coco",), "invalid choice: 'coco'"),
        (("voc2012", "--repair"), "unrecognized arguments: --repair"),
        (("cityscapes", "--from", "https://example.org"), "unrecognized arguments"),
        (("verify",), "arguments are required: NAME"),
    ],
)
def test_wrong_calls(lcnb, call, text):
    code, _, err = lcnb("data", *call)
    assert (code, err.count("\n")) == (2, 1)
    assert text in err
