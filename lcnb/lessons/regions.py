"""The exercises of notebook 02: a neighbour table, region convolution by loops, pooling, and the break-even.

Shape letters: N active cells, C, O channels, K kernel positions, h, w cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lcnb.regions import Region

MASK = ((1, 1, 0), (0, 1, 0), (0, 0, 1))
"""Of the exercise on the table; the cell in question is the one in the middle."""
MEASURED = ((1.0, 0.5, 0.25, 0.1), (1.3, 0.8, 0.5, 0.35))
"""(fractions of active cells, time over dense time) of the exercise on the break-even."""


def row_of_the_table(answer: Any) -> str | None:
    """The nine row numbers of the neighbour table of the middle cell, in a 3 x 3 image of four active cells."""
    given = [int(v) for v in torch.as_tensor(answer).flatten().tolist()]
    if len(given) != 9:
        return f"a 3 x 3 kernel has nine positions; got {len(given)} numbers"
    mask = torch.tensor(MASK).bool()
    number = int(mask.sum())
    right = Region(mask[None]).neighbours((3, 3))[int(mask[:1].sum())].tolist()
    if given == right:
        return None
    here = [v != number for v in right]
    slips = [
        (
            [v if ok else -1 for v, ok in zip(right, here, strict=True)],
            f"where no cell is active, write {number}, one past the end",
        ),
        (
            [v if ok else 9 for v, ok in zip(right, here, strict=True)],
            f"one past the end of the *list* of {number} rows",
        ),
        ([i if ok else number for i, ok in enumerate(here)], "these are places in the image; write rows of the list"),
        ([v + ok for v, ok in zip(right, here, strict=True)], "rows count from 0"),
        (torch.tensor(right).view(3, 3).T.flatten().tolist(), "go through the kernel row by row, not column by column"),
        (right[::-1], "that is from the last position to the first; begin at the top left"),
    ]
    if (said := next((s for v, s in slips if given == v), None)) is not None:
        return said
    k = next(k for k in range(9) if given[k] != right[k])
    return (
        f"position {k} of 0 to 8 (row {k // 3}, column {k % 3} of the kernel) is not "
        f"{given[k]}; {sum(here)} of 9 are there"
    )


def _case() -> tuple[Tensor, Tensor, Tensor]:
    """(C, h, w) image, (h, w) mask with active cells at every edge, (O, C, 3, 3) weight."""
    generator = torch.Generator().manual_seed(0)
    mask = torch.rand(5, 6, generator=generator) > 0.4
    mask[0, 0] = mask[-1, -1] = True
    return torch.randn(2, 5, 6, generator=generator), mask, torch.randn(3, 2, 3, 3, generator=generator)


def convolution_by_loops(answer: Any) -> str | None:
    """A function ((C, h, w) image, (h, w) mask, (O, C, 3, 3) weight) -> (N, O): region convolution, by loops."""
    image, mask, weight = _case()
    given = answer(image.clone(), mask.clone(), weight.clone())
    if not isinstance(given, Tensor):
        return f"the answer is a tensor with a row for each active cell; got a {type(given).__name__}"
    right = _dense(image * mask, weight)[:, mask].t()
    if given.shape == (len(weight), *mask.shape):
        return "that is a whole map; give the active cells only, one row each, as `map[:, mask].t()` lists them"
    if given.shape != right.shape:
        turned = "turn it round: " if given.shape == right.t().shape else ""
        return f"{turned}shape (N, O) is {tuple(right.shape)} here; got {tuple(given.shape)}"
    if _near(given, right):
        return None
    flipped = weight.flip(2, 3)
    around = F.pad((image * mask)[None], (1, 1, 1, 1), mode="circular")
    before = F.pad(around[..., :-1, :-1], (0, 1, 0, 1))  # an index of -1 wraps, one past the end is usually caught
    wraps = "at the border an index of -1 means the *last* row in Python; leave out what lies outside"
    slips = [
        (_dense(image, weight), "a neighbour that is not active counts as zero; yours still sees it"),
        (F.conv2d(around, weight)[0], wraps),
        (F.conv2d(before, weight)[0], wraps),
        (
            _dense(image * mask, flipped),
            "the kernel is turned: position (0, 0) belongs to the neighbour above to the left",
        ),
        (_dense(image * mask, weight.transpose(2, 3)), "rows and columns of the kernel are swapped"),
        (_dense((image * mask)[:1], weight[:, :1]), "only the first channel is counted; add up all C of them"),
    ]
    for value, sentence in slips:
        if _near(given, value[:, mask].t()):
            return sentence
    wrong = int((~torch.isclose(given.float(), right, atol=1e-4)).any(1).sum())
    return (
        f"{wrong} of {len(right)} rows differ from the dense convolution of the masked image, kept at the active cells"
    )


def _dense(image: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(image[None], weight, padding=1)[0]


def _near(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a.float(), b.float(), atol=1e-4)


def max_pool(answer: Any) -> str | None:
    """A function ((N, C) rows, (N, K) table) -> (N, C): the largest value among the neighbours that are there."""
    _, mask, _ = _case()
    table = Region(mask[None]).neighbours((3, 3))
    generator = torch.Generator().manual_seed(1)
    rows = torch.randn(len(table), 4, generator=generator) - 1.0
    given = answer(rows.clone(), table.clone())
    if not isinstance(given, Tensor) or given.shape != rows.shape:
        got = tuple(given.shape) if isinstance(given, Tensor) else f"a {type(given).__name__}"
        return f"a row for each active cell and a column for each channel: {tuple(rows.shape)}; got {got}"
    right = _pooled(rows, table, -torch.inf)
    if _near(given, right):
        low = float(torch.finfo(rows.dtype).min)  # shifted so far down, every value is below any other sentinel
        lowest = torch.full_like(rows, low / 2)
        if torch.equal(answer(lowest.clone(), table.clone()), lowest):
            return None
        return "a value may be smaller than the number you chose for a missing neighbour; which number is below all?"
    if _near(given, _pooled(rows, table, 0.0)):
        return "where all values are negative, zeros win; an absent cell must never win: which number is below all?"
    if given.isinf().any():
        return "an infinity remains: is it +inf? Every cell is its own neighbour, so -inf never wins"
    if _near(given, _pooled(rows, table, -1.0)):
        return "a value may be below -1 too; which number is below all?"
    if _near(given, rows[torch.where(table < len(rows), table, 0)].amax(1)):
        return "where no cell is active, yours reads row 0, which belongs to a cell"
    if _near(given, rows[torch.where(table < len(rows), table, len(rows) - 1)].amax(1)):
        return "where no cell is active, yours reads the last row, which belongs to a cell"
    wrong = int((~torch.isclose(given, right)).sum())
    return f"{wrong} of {right.numel()} values are not the largest among a cell's active neighbours"


def _pooled(rows: Tensor, table: Tensor, absent: float) -> Tensor:
    return torch.cat([rows, torch.full((1, rows.shape[1]), absent)])[table].amax(1)


def break_even(answer: Any) -> str | None:
    """A function (fractions of active cells, times over the dense time) -> the fraction at which both are equal."""
    crossing = MEASURED
    for shares, ratios in (crossing, (crossing[0][::-1], crossing[1][::-1]), ((1.0, 0.6, 0.2), (2.0, 1.2, 0.4))):
        given, right = float(answer(shares, ratios)), _crossing(shares, ratios)
        if abs(given - right) <= 1e-3:
            continue
        if shares[0] < shares[-1]:
            return (
                "with the smallest fraction first yours gives something else; sort the pairs "
                "before you look for the crossing"
            )
        if given in shares:
            return (
                f"{given:g} was measured, but the times cross 1 between two measured fractions: "
                "draw a straight line between"
            )
        return (
            f"for fractions {shares} and ratios {ratios} the line through the two neighbours of "
            f"1 crosses it at {right:.3f}; got {given:.3f}"
        )
    always = float(answer((1.0, 0.5), (0.9, 0.5)))
    if always != 1:
        return f"where the region is faster at every fraction, all cells included, the break-even is 1; got {always:g}"
    never = float(answer((1.0, 0.5), (1.6, 1.2)))
    return None if never == 0 else f"where the region is slower at every fraction measured, say 0; got {never:g}"


def _crossing(shares: Sequence[float], ratios: Sequence[float]) -> float:
    """Where the straight lines between the measured points first reach 1, from the smallest fraction up."""
    points = sorted(zip(shares, ratios, strict=True))
    for (s0, r0), (s1, r1) in pairwise(points):
        if r0 <= 1 < r1:
            return s0 + (1 - r0) * (s1 - s0) / (r1 - r0)
    return 1.0 if points[-1][1] <= 1 else 0.0
