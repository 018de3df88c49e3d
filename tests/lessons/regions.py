"""Answers to the exercises of notebook 02: right ones, and each usual slip with a part of its sentence."""

from itertools import pairwise

import torch
import torch.nn.functional as F

TABLE = [0, 1, 4, 4, 2, 4, 4, 4, 3]


def loops(picture, mask, weight, see=lambda mask, i, j: 0 <= i < len(mask) and 0 <= j < mask.shape[1] and mask[i, j]):
    rows = []
    for i, j in mask.nonzero().tolist():
        total = torch.zeros(len(weight))
        for di in (-1, 0, 1):
            for dj in (-1, 0, 1):
                if see(mask, i + di, j + dj):
                    total = total + weight[:, :, di + 1, dj + 1] @ picture[:, i + di, j + dj]
        rows.append(total)
    return torch.stack(rows)


def wrapping(mask, i, j):
    return i < len(mask) and j < mask.shape[1] and mask[i, j]


def all_there(picture, mask, weight):
    return F.conv2d(picture[None], weight, padding=1)[0][:, mask].t()


def wrapped(picture, mask, weight):
    return F.conv2d(F.pad((picture * mask)[None], (1, 1, 1, 1), mode="circular"), weight)[0][:, mask].t()


def pool(rows, table, absent=-torch.inf):
    return torch.cat([rows, torch.full((1, rows.shape[1]), absent)])[table].amax(1)


def pool_reading(row):
    return lambda rows, table: rows[torch.where(table < len(rows), table, row % len(rows))].amax(1)


def crossing(shares, ratios):
    points = sorted(zip(shares, ratios, strict=True))
    for (s0, r0), (s1, r1) in pairwise(points):
        if r0 <= 1 < r1:
            return s0 + (1 - r0) / (r1 - r0) * (s1 - s0)
    return 1 if points[-1][1] <= 1 else 0


def unsorted(shares, ratios):
    for k in range(len(shares) - 1):
        if ratios[k] > 1 >= ratios[k + 1]:
            return crossing(shares, ratios)
    return 0.9


RIGHT = [
    ("02-table", TABLE),
    ("02-table", torch.tensor(TABLE).view(3, 3)),
    ("02-loops", loops),
    ("02-pool", pool),
    ("02-pool", lambda r, t: pool(r, t, torch.finfo(r.dtype).min)),
    ("02-break-even", crossing),
]


SLIPS = [
    ("02-table", [0, 1, 2], "got 3 numbers"),
    ("02-table", [0, 1, -1, -1, 2, -1, -1, -1, 3], "write 4, one past the end"),
    ("02-table", [0, 1, 9, 9, 2, 9, 9, 9, 3], "of 4 rows"),
    ("02-table", [0, 1, 4, 4, 4, 4, 4, 4, 8], "places in the image"),
    ("02-table", [1, 2, 4, 4, 3, 4, 4, 4, 4], "rows count from 0"),
    ("02-table", [0, 4, 4, 1, 2, 4, 4, 4, 3], "not column by column"),
    ("02-table", TABLE[::-1], "begin at the top left"),
    ("02-table", [0, 1, 4, 4, 2, 4, 4, 0, 3], "position 7 of 0 to 8 (row 2, column 1 of the kernel) is not 0"),
    ("02-loops", all_there, "counts as zero"),
    ("02-loops", wrapped, "the *last* row in Python"),
    ("02-loops", lambda p, m, w: loops(p, m, w.flip(2, 3)), "the kernel is turned"),
    ("02-loops", lambda p, m, w: loops(p, m, w.transpose(2, 3)), "swapped"),
    ("02-loops", lambda p, m, w: loops(p[:1], m, w[:, :1]), "add up all C"),
    ("02-loops", lambda p, m, w: loops(p, m, w).t(), "turn it round"),
    ("02-loops", lambda p, m, w: F.conv2d((p * m)[None], w, padding=1)[0], "a whole map"),
    ("02-loops", lambda p, m, w: loops(p, m, w) + 1, "rows differ"),
    ("02-loops", lambda p, m, w: loops(p, m, w, wrapping), "the *last* row"),
    ("02-loops", lambda p, m, w: loops(p, m, w).tolist(), "got a list"),
    ("02-pool", lambda r, t: pool(r, t, 0.0), "which number is below all?"),
    ("02-pool", lambda r, t: pool(r, t, -1.0), "below -1 too"),
    ("02-pool", lambda r, t: pool(r, t, -99.0), "which number is below all?"),
    ("02-pool", lambda r, t: pool(r, t, -1e9), "which number is below all?"),
    ("02-pool", lambda r, t: pool(r, t, torch.inf), "is it +inf?"),
    ("02-pool", pool_reading(0), "reads row 0"),
    ("02-pool", pool_reading(-1), "reads the last row"),
    ("02-pool", lambda r, t: r, "are not the largest"),
    ("02-pool", lambda r, t: pool(r, t)[:, 0], "a column for each channel"),
    ("02-pool", lambda r, t: r[t].amax(1), "could not be tried: IndexError"),
    ("02-break-even", lambda s, r: 0.5, "draw a straight line between"),
    ("02-break-even", lambda s, r: 0.61, "crosses it at 0.700; got 0.610"),
    ("02-break-even", unsorted, "sort the pairs"),
    ("02-break-even", lambda s, r: crossing(s, r) or 0.5, "slower at every fraction"),
    ("02-break-even", lambda s, r: crossing(s, r) % 1, "the break-even is 1"),
]
