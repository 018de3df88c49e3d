# ruff: noqa: RUF005 (tuples are added to arrays here, not joined)
"""Skin and clothes over a skeleton: tapered tubes (see people.py for skeletons and outfits)."""

import math

import numpy as np

from .mesh import Mesh


def dress(j, o):
    """Skin a skeleton with an outfit."""
    mesh, b = Mesh(), o["bulk"]
    up = j["chest"] - j["pelvis"]
    up = up / np.linalg.norm(up)
    skirted = o["cut"] in ("skirt", "coat")
    for side, s in (("l", -1), ("r", 1)):
        hip, knee, ankle = (j[f"{n}_{side}"] for n in ("hip", "knee", "ankle"))
        bare = o["cut"] == "skirt"
        col = o["skin"] if bare else o["legs"]
        mid = (hip + knee) / 2
        calf = knee * 0.65 + ankle * 0.35 + (0, -0.012, 0)
        mesh.tube(
            [hip + up * 0.05, mid, knee, calf, ankle + (0, 0, -0.03)],
            np.array([0.098, 0.082, 0.062, 0.060, 0.048]) * (b if not bare else 0.85),
            "skin" if bare else "cloth",
            col,
            9,
        )
        _shoe(mesh, ankle, j[f"foot_{side}"], o["shoes"])
        shoulder, elbow, hand = (j[f"{n}_{side}"] for n in ("shoulder", "elbow", "hand"))
        sleeve = hand * 0.9 + elbow * 0.1
        thick = 1.12 if o["cut"] in ("jacket", "coat") else 0.95
        mesh.tube(
            [
                shoulder + (-s * 0.10, 0, 0.035),
                shoulder + (-s * 0.03, 0, 0.018),
                shoulder * 0.8 + elbow * 0.2,
                (shoulder + elbow) / 2,
                elbow,
                sleeve,
            ],
            np.array([0.035, 0.052, 0.058, 0.054, 0.047, 0.039]) * b * thick,
            "cloth",
            o["top"],
            8,
        )
        mesh.ball(
            hand + (hand - elbow) / np.linalg.norm(hand - elbow) * 0.05, (0.035, 0.04, 0.055), "skin", o["skin"], 5
        )
    pel, chest, neck = j["pelvis"], j["chest"], j["neck"]
    hem = {"shirt": 0.02, "jacket": 0.10, "coat": 0.10, "skirt": 0.02}[o["cut"]]
    waist = 0.80 if o["woman"] else 0.93
    mesh.tube(
        [
            pel - up * (hem + 0.02),
            pel,
            pel * 0.55 + chest * 0.45,
            chest,
            chest * 0.42 + neck * 0.58,
            chest * 0.12 + neck * 0.88,
            neck + up * 0.02,
        ],
        np.array(
            [
                [0.172, 0.125],
                [0.168, 0.125],
                [0.162 * waist, 0.112],
                [0.180, 0.125],
                [0.172, 0.105],
                [0.105, 0.08],
                [0.062, 0.06],
            ]
        )
        * b,
        "cloth",
        o["top"],
        12,
        side=(1, 0, 0),
    )
    if skirted:
        low = 0.42 if o["cut"] == "coat" else 0.40
        stride = abs(j["knee_l"][1] - j["knee_r"][1]) * 0.35
        mesh.tube(
            [pel + (0, 0, 0.12), pel - (0, 0, 0.1), pel - (0, 0, low)],
            np.array([[0.16, 0.12], [0.178, 0.135], [0.205, 0.15 + stride]]) * b,
            "cloth",
            o["top"] if o["cut"] == "coat" else o["legs"],
            12,
            side=(1, 0, 0),
        )
    _head(mesh, j, o)
    _bag(mesh, j, o, up)
    return mesh


def _shoe(mesh, ankle, tilt, col):
    c, s = math.cos(tilt), math.sin(tilt)
    way, down = np.array([0, c, s * 0.6]), np.array([0, 0, -0.055])
    mesh.tube(
        [ankle + down - way * 0.07, ankle + down - way * 0.02, ankle + down + way * 0.10, ankle + down + way * 0.19],
        [[0.03, 0.03], [0.045, 0.04], [0.046, 0.032], [0.02, 0.018]],
        "cloth",
        col,
        7,
        side=(1, 0, 0),
    )


def _head(mesh, j, o):
    head, neck = j["head"], j["neck"]
    mesh.tube([neck - (0, 0, 0.05), neck + (head - neck) * 0.5], [0.058, 0.052], "skin", o["skin"], 7)
    mesh.ball(head, (0.074, 0.092, 0.115), "skin", o["skin"], 9)
    mesh.ball(head + (0, 0.09, -0.015), (0.014, 0.02, 0.02), "skin", o["skin"], 4)
    if o["head"] == "helmet":
        mesh.ball(head + (0, -0.01, 0.045), (0.10, 0.135, 0.10), "paint", o["bagcol"], 8, keep=lambda u: u[2] > -0.1)
        return
    if o["head"] == "hood":
        mesh.ball(
            head + (0, -0.02, -0.01),
            (0.105, 0.115, 0.14),
            "cloth",
            o["top"],
            9,
            keep=lambda u: u[1] < 0.45 or u[2] > 0.75,
        )
        return
    mesh.ball(
        head + (0, -0.010, 0.014),
        (0.084, 0.102, 0.118),
        "hair",
        o["hair"],
        10,
        keep=lambda u: u[2] > (0.5 if u[1] > 0.45 else 0.5 - 1.7 * (0.45 - u[1])),
    )
    if o["long"]:
        mesh.tube(
            [head + (0, -0.06, 0.04), head + (0, -0.085, -0.08), neck + (0, -0.085, -0.02), neck + (0, -0.09, -0.14)],
            [[0.075, 0.05], [0.088, 0.05], [0.085, 0.04], [0.06, 0.02]],
            "hair",
            o["hair"],
            8,
            side=(1, 0, 0),
        )
    if o["head"] == "hat":
        mesh.ball(head + (0, -0.01, 0.03), (0.095, 0.11, 0.118), "cloth", o["bagcol"], 8, keep=lambda u: u[2] > 0.1)


def _bag(mesh, j, o, up):
    if o["bag"] == "rucksack":
        at = j["chest"] * 0.8 + j["pelvis"] * 0.2 + (0, -0.19, 0)
        mesh.ball(at, (0.15, 0.11, 0.22), "cloth", o["bagcol"], 7)
    elif o["bag"] == "shoulder":
        at = j["pelvis"] + (0.24 * o["bulk"], 0, 0.0)
        mesh.box(at - (0.05, 0.15, 0.13), at + (0.05, 0.15, 0.10), "cloth", o["bagcol"], bottom=True)
        mesh.tube(
            [at + (0, 0, 0.1), j["chest"] + (0.1, 0.13, 0), j["shoulder_l"] + (0.05, 0.02, 0.05)],
            0.013,
            "cloth",
            o["bagcol"],
            4,
        )
    elif o["bag"] == "hand":
        at = j["hand_r"] + (0, 0, -0.3)
        mesh.box(at - (0.06, 0.16, 0.2), at + (0.06, 0.16, 0.14), "cloth", o["bagcol"], bottom=True)
