"""What a page's script does, in Python: the other reader of the packed view."""

import base64
import json
import re
import zlib

import numpy as np


def data_of(html):
    """The JSON that the script reads."""
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', html, re.DOTALL)[1])


class Decoded:
    """A fragment or page, unpacked byte by byte as documented in `lcnb.export.view`."""

    def __init__(self, html):
        self.data = data_of(html)
        (self.height, self.width), (h, w) = self.data["size"], self.data["grid"]
        raw = np.frombuffer(zlib.decompress(base64.b64decode(self.data["packed"])), dtype=np.uint8)
        exits, stops = len(self.data["stages"]) - 1, len(self.data["stops"])
        self.counts = raw[: exits * h * w].reshape(exits, h, w)
        self.labels = raw[exits * h * w :].reshape(stops, self.height, self.width).copy()
        for stop in range(1, stops):
            self.labels[stop] ^= self.labels[stop - 1]

    def stage(self, stop):
        """(h, w): the first exit at which the cell leaves, else the last stage."""
        left = np.concatenate([stop < self.counts, np.ones_like(self.counts[:1], dtype=bool)])
        return left.argmax(0)

    def saved(self, stop):
        """Share of the dense multiply-adds that is not done."""
        stage = self.stage(stop)
        return 1 - sum(cost * (stage >= s).mean() for s, cost in enumerate(self.data["cost"]))
