"""Cars, vans, lorries and buses, complete with wheels, lights, plates and mirrors. Everything here is Car."""

from .lorries import boxy
from .rng import jitter, pick, stream
from .vehicle_parts import back_doors, face, tail, wheels
from .vehicle_shapes import body

KINDS = {
    "hatch": 0.30,
    "small": 0.12,
    "saloon": 0.16,
    "estate": 0.09,
    "suv": 0.08,
    "people": 0.07,
    "taxi": 0.03,
    "van": 0.06,
    "smallvan": 0.05,
    "lorry": 0.02,
    "bus": 0.02,
}
PAINTS = [
    ((0.42, 0.43, 0.44), 20),
    ((0.015, 0.015, 0.018), 14),
    ((0.02, 0.035, 0.12), 14),
    ((0.30, 0.015, 0.02), 11),
    ((0.65, 0.65, 0.64), 9),
    ((0.10, 0.105, 0.11), 10),
    ((0.02, 0.09, 0.05), 7),
    ((0.06, 0.14, 0.32), 6),
    ((0.30, 0.25, 0.17), 4),
    ((0.09, 0.015, 0.02), 4),
    ((0.55, 0.30, 0.03), 1),
    ((0.05, 0.25, 0.28), 2),
]


def vehicle(seed, kind=None, lights=False, braking=False):
    """A vehicle standing at the origin with its front towards +y; returns (mesh, length)."""
    rng = stream(seed, "vehicle")
    kind = kind or pick(rng, KINDS)
    paint = jitter(rng, rng.choices([p for p, _ in PAINTS], [w for _, w in PAINTS])[0], 0.25)
    if kind in ("lorry", "bus"):
        return boxy(rng, kind, paint, lights, braking)
    if kind in ("van", "smallvan") and rng.random() < 0.55:
        paint = (0.68, 0.68, 0.66)
    if kind == "taxi":
        paint = (0.012, 0.012, 0.014)
    plastic = rng.random() < 0.35
    mesh, length, p = body(kind, paint, rng, plastic)
    half, front = p["half"], length / 2
    zf, zt = p["z"][0], p["z"][3]
    wheels(
        mesh, rng, half, p["wheel"], front - (0.72 if length > 3.7 else 0.62), -front + (0.78 if length > 3.7 else 0.55)
    )
    face(mesh, rng, half, front, zf, p["ride"], lights)
    tail(mesh, half, -front, zt, kind, braking)
    for s in (-1, 1):
        y = front - p["y"][1] - 0.35
        mesh.ball(
            (s * (half + 0.08), y, p["z"][1] + 0.06),
            (0.11, 0.07, 0.075),
            "carpaint" if not plastic else "rubber",
            paint if not plastic else (0.03, 0.03, 0.03),
            5,
        )
        for yy in (front - p["y"][2] - 0.75, front - p["y"][2] - 1.75):
            if p["posts"] and yy > -front + 0.9:  # handles and shut lines
                mesh.box(
                    (s * half * 0.985 - 0.02, yy, p["z"][1] - 0.17),
                    (s * half * 0.985 + 0.02, yy + 0.16, p["z"][1] - 0.13),
                    "rubber",
                    (0.02, 0.02, 0.02),
                    bottom=True,
                )
    if kind.endswith("van"):
        back_doors(mesh, rng, half, -front, p["z"][2], zt)
    if kind == "taxi":
        mesh.box((-0.22, 0.55, p["z"][2] - 0.02), (0.22, 0.68, p["z"][2] + 0.12), "lamp", (0.6, 0.4, 0.08))
    if rng.random() < 0.12 and p["posts"]:
        for s in (-1, 1):
            mesh.box(
                (s * 0.55 - 0.02, -1.2, p["z"][2]), (s * 0.55 + 0.02, 0.1, p["z"][2] + 0.06), "metal", (0.1, 0.1, 0.1)
            )
    return mesh, length
