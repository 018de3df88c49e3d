"""Answers to the exercises of notebook 06: right ones, and each usual slip with a part of its sentence."""


def referee(gap, low, high):
    return "ahead" if low > 0 else "behind" if high < 0 else "neither"


RIGHT = [("06-eighty", 1.0), ("06-dense", 14.7 / 1.428), ("06-misprint", 0.93), ("06-referee", referee)]


SLIPS = [
    ("06-eighty", 14.7, "the talk's pairing"),
    ("06-eighty", 14.3, "scores 78.2, not 80.3"),
    ("06-eighty", 7.7, "multi-scale, which scores 79.5"),
    ("06-eighty", 4, "stands beside no IRNet-LC"),
    ("06-dense", 8.4, "42.8 % faster than x is 1.428 x"),
    ("06-dense", 21.0, "the slower of the two"),
    ("06-dense", 12, "times 1.428 is 17.1"),
    ("06-misprint", 0.9, "75 % exit before stage 3"),
    ("06-misprint", 0.7, "no column of table 1"),
    ("06-misprint", "x", "could not be tried"),
    ("06-referee", lambda gap, low, high: "ahead" if gap > 0 else "behind", "zero is inside it"),
    ("06-referee", lambda gap, low, high: "neither", "one side of zero"),
    ("06-referee", lambda gap, low, high: None, "the answer is"),
]
