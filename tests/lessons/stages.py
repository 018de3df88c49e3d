"""Answers to the exercises of notebook 05: right ones, and each usual slip with a part of its sentence."""

import torch


def decided(labels, stage, s):
    return torch.where(stage <= s, labels, 255)


def where(test, otherwise=255):
    return lambda labels, stage, s: torch.where(test(stage, s), labels, otherwise)


def share(part, of):
    return (part & of).sum() / of.sum()


def ratio(truth, stage, label, s):
    known = truth != 255
    return share(truth == label, (stage >= s) & known) / share(truth == label, known)


RIGHT = [
    ("05-silent", (0, 1)),
    ("05-silent", {1.0, 0.0}),
    ("05-decided", decided),
    ("05-ratio", ratio),
    ("05-pair", (0.995, 0.9)),
]


SLIPS = [
    ("05-silent", 1.0, "no cell *reaches* stage 2"),
    ("05-silent", [0], "all reach stage 2"),
    ("05-silent", (0.999, 1), "at rho = 0.999 some network"),
    ("05-silent", (0, 2), "got 2"),
    ("05-silent", (), "give both"),
    ("05-decided", where(torch.eq), "stays decided"),
    ("05-decided", where(torch.lt), "count from 0"),
    ("05-decided", where(torch.le, 0), "0 is a class"),
    ("05-decided", where(torch.le, -1), "not -1"),
    ("05-decided", where(torch.ge), "decided *late*"),
    ("05-decided", where(torch.gt), "still open; turn"),
    ("05-decided", lambda a, b, s: a * 0 + 7, "for s = 1, 56 of 56 pixels"),
    ("05-decided", lambda a, b, s: a[0], "the shape of the labels"),
    ("05-ratio", lambda t, g, c, s: share(t == c, (g >= s) & (t != 255)), "divide it by the fraction of the whole"),
    ("05-ratio", lambda t, g, c, s: share(g >= s, t == c), "how much of the class enters"),
    ("05-ratio", lambda *a: 1 / ratio(*a), "turned"),
    ("05-ratio", lambda t, g, c, s: ratio(t, torch.where(g == s, g, 0) if s else g, c, s), "exits at s or later"),
    ("05-ratio", lambda t, g, c, s: ratio(t, g, c, s + 1), "has entered it too"),
    ("05-ratio", lambda t, g, c, s: share(t == c, g >= s) / (t == c).float().mean(), "out of both fractions"),
    ("05-ratio", lambda t, g, c, s: share(t == c, g >= s) / share(t == c, t != 255), "that enter too"),
    ("05-ratio", lambda t, g, c, s: 1.0, "you say 1.000"),
    ("05-pair", (0.985, 0.985), "the pair to beat"),
    ("05-pair", (0.998, 0.9999), "not less than the"),
    ("05-pair", (0.7, 0.7), "which exit makes more mistakes"),
    ("05-pair", (0.9, 2), "between 0 and 1"),
]
