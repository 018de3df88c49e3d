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
        cells, pixels, classes = h * w, self.height * self.width, self.data["top"]
        ends = np.cumsum([exits * cells, (stops + 1) * pixels, 2 * (exits + 1) * classes * cells])
        counts, labels, tops, truth = np.split(raw, ends)
        self.counts, self.tops = counts.reshape(exits, h, w), tops.reshape(2, exits + 1, classes, h, w)
        self.labels = np.bitwise_xor.accumulate(labels.reshape(stops + 1, self.height, self.width))
        self.dense = self.labels[stops]
        self.truth = truth.reshape(self.height, self.width) if self.data["truth"] else None

    def stage(self, stop):
        """(h, w): the first exit at which the cell leaves, else the last stage."""
        places = np.array(self.data["places"][stop])[:, None, None]
        left = np.concatenate([places < self.counts, np.ones_like(self.counts[:1], dtype=bool)])
        return left.argmax(0)

    def saved(self, stop):
        """Share of the dense multiply-adds that is not done."""
        stage = self.stage(stop)
        return 1 - sum(cost * (stage >= s).mean() for s, cost in enumerate(self.data["cost"]))
