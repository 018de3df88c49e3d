"""Picture sheets drawn with Pillow: windows, doors, shop fronts, shop names, road signs, posters.

A sheet is a grid of cells; ``cell(sheet, index)`` gives its texture box. Alpha is not transparency but roughness:
0 is glass, 255 is a painted surface.
"""

import numpy as np
from PIL import Image, ImageDraw

from .lettering import fascia, poster, rgb, roadsign
from .rng import jitter, stream

SHEETS = {  # name: (columns, rows, cell width, cell height)
    "windows": (8, 5, 96, 144),
    "doors": (8, 1, 112, 224),
    "shopfronts": (4, 4, 256, 176),
    "fascias": (2, 12, 384, 64),
    "roadsigns": (6, 4, 128, 128),
    "posters": (6, 2, 128, 192),
}


def cell(sheet, index):
    """Texture box (u0, v0, u1, v1) of a cell, a hair inside its border."""
    cols, rows, w, h = SHEETS[sheet]
    c, r = index % cols, index // cols % rows
    e = 0.5
    return (
        (c * w + e) / (cols * w),
        1 - ((r + 1) * h - e) / (rows * h),
        ((c + 1) * w - e) / (cols * w),
        1 - (r * h + e) / (rows * h),
    )


def cells(sheet):
    return SHEETS[sheet][0] * SHEETS[sheet][1]


def sheet(name):
    """Draw a whole sheet as an RGBA uint8 array."""
    cols, rows, w, h = SHEETS[name]
    out = Image.new("RGBA", (cols * w, rows * h))
    for i in range(cols * rows):
        rng = stream("sheet", name, i)
        tile = Image.new("RGBA", (w, h))
        DRAW[name](ImageDraw.Draw(tile), tile, w, h, i, rng)
        out.paste(tile, (i % cols * w, i // cols * h))
    return np.asarray(out)


def _room(d, box, rng, light=0.14):
    """What is seen through glass: a dark room, curtains or a blind, now and then a lamp or a plant."""
    x0, y0, x1, y1 = box
    base = rng.uniform(0.02, light)
    d.rectangle(box, fill=rgb((base, base * 1.03, base * 1.08), 0))
    kind = rng.random()
    w, h = x1 - x0, y1 - y0
    pale = rgb(
        jitter(rng, rng.choice([(0.62, 0.6, 0.55), (0.5, 0.45, 0.4), (0.7, 0.7, 0.7), (0.35, 0.25, 0.22)]), 0.2), 30
    )
    if kind < 0.35:
        side = w * rng.uniform(0.12, 0.3)
        d.rectangle((x0, y0, x0 + side, y1), fill=pale)
        d.rectangle((x1 - side, y0, x1, y1), fill=pale)
    elif kind < 0.6:
        d.rectangle((x0, y0, x1, y0 + h * rng.uniform(0.2, 0.9)), fill=pale)
    elif kind < 0.7:
        d.rectangle(box, fill=pale)
    elif kind < 0.76:
        d.rectangle(box, fill=rgb((0.55, 0.42, 0.22), 20))


def window(d, tile, w, h, i, rng):
    style = i // 8  # rows: sash with many panes, two-pane sash, casement, dark office frame, black or coloured frame
    frame = rgb(
        jitter(
            rng,
            [
                (0.86, 0.86, 0.84),
                (0.84, 0.84, 0.82),
                (0.9, 0.9, 0.9),
                (0.2, 0.2, 0.21),
                rng.choice([(0.1, 0.1, 0.1), (0.35, 0.22, 0.15), (0.2, 0.3, 0.26)]),
            ][style],
            0.08,
        )
    )
    d.rectangle((0, 0, w, h), fill=frame)
    t = (6, 7, 8, 4, 5)[style]
    _room(d, (t, t, w - t, h - t), rng)
    cols, rows = (
        (rng.choice([2, 3]), 4),
        (1, 2),
        (2, rng.choice([1, 2])),
        (rng.choice([1, 2]), rng.choice([1, 2])),
        (2, 3),
    )[style]
    bar = (2, 5, 6, 4, 2)[style]
    for k in range(1, cols):
        x = w * k / cols
        d.rectangle((x - bar / 2, 0, x + bar / 2, h), fill=frame)
    for k in range(1, rows):
        y = h * k / rows
        b = 6 if style < 2 and k == rows // 2 else bar
        d.rectangle((0, y - b / 2, w, y + b / 2), fill=frame)


def door(d, tile, w, h, i, rng):
    colour = rng.choice(
        [
            (0.1, 0.12, 0.2),
            (0.35, 0.06, 0.07),
            (0.08, 0.2, 0.14),
            (0.07, 0.07, 0.07),
            (0.75, 0.75, 0.72),
            (0.3, 0.2, 0.12),
            (0.15, 0.28, 0.42),
        ]
    )
    d.rectangle((0, 0, w, h), fill=(225, 225, 220, 255))
    d.rectangle((8, 44, w - 8, h), fill=rgb(colour))
    d.rectangle((8, 8, w - 8, 38), fill=(25, 28, 30, 0))
    dark = rgb([c * 0.6 for c in colour])
    for x in (20, w / 2 + 6):
        d.rectangle((x, 60, x + w / 2 - 26, 120), fill=dark if rng.random() < 0.6 else (30, 33, 36, 0), outline=dark)
        d.rectangle((x, 135, x + w / 2 - 26, h - 12), outline=dark, width=3)
    d.rectangle((w / 2 - 12, 124, w / 2 + 12, 129), fill=(190, 170, 90, 255))


def shopfront(d, tile, w, h, i, rng):
    frame = rgb(
        jitter(
            rng,
            rng.choice(
                [
                    (0.8, 0.8, 0.78),
                    (0.12, 0.12, 0.12),
                    (0.3, 0.18, 0.1),
                    (0.1, 0.22, 0.18),
                    (0.12, 0.15, 0.3),
                    (0.45, 0.1, 0.1),
                ]
            ),
            0.2,
        )
    )
    d.rectangle((0, 0, w, h), fill=frame)
    panes = rng.choice([2, 3, 3, 4])
    door_at = rng.randrange(panes)
    for k in range(panes):
        x0, x1 = w * k / panes + 4, w * (k + 1) / panes - 4
        y1 = h - 6 if k == door_at else h - rng.choice([14, 26, 26])
        base = rng.uniform(0.03, 0.16)
        d.rectangle((x0, 6, x1, y1), fill=rgb((base * 1.1, base, base * 0.9), 0))
        for _ in range(rng.randrange(2, 9)):  # goods, posters, people inside
            gw, gh = rng.uniform(6, 24), rng.uniform(8, 40)
            gx = rng.uniform(x0, max(x0 + 1, x1 - gw))
            gy = y1 - gh - rng.choice([0, 0, 30, 60])
            c = jitter(rng, (rng.uniform(0.05, 0.7),) * 3, 0.9)
            d.rectangle((gx, gy, min(gx + gw, x1), gy + gh), fill=rgb(c, 20))
        if rng.random() < 0.4:  # lights on
            d.rectangle((x0 + 4, 10, x1 - 4, 15), fill=(235, 220, 180, 60))
        if rng.random() < 0.25:
            d.rectangle((x0 + 6, 40, x1 - 6, 90), fill=rgb(jitter(rng, (rng.uniform(0.2, 0.9),) * 3, 0.8), 120))
        d.line((x0, 36, x1, 36), fill=frame, width=3)


DRAW = {
    "windows": window,
    "doors": door,
    "shopfronts": shopfront,
    "fascias": fascia,
    "roadsigns": roadsign,
    "posters": poster,
}
