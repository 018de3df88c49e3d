"""The cells of picture sheets with words on them: shop names, road signs, posters (see atlases.py)."""

from PIL import ImageFont

from .rng import jitter


def rgb(colour, alpha=255):
    return (*(int(255 * min(1, max(0, c))) for c in colour), alpha)


def text(d, box, words, fill, rng, size=1.0):
    """Centre words in a box at the largest size that fits."""
    x0, y0, x1, y1 = box
    height = (y1 - y0) * size
    font = ImageFont.load_default(max(6, height))
    width = d.textlength(words, font=font)
    if width > (x1 - x0):
        font = ImageFont.load_default(max(6, height * (x1 - x0) / width))
    d.text(((x0 + x1) / 2, (y0 + y1) / 2), words, fill=fill, font=font, anchor="mm")


WORDS = [
    "BAKERY", "CAFE", "BOOKS", "SHOES", "NEWS", "HAIR", "PIZZA", "PHARMACY", "OPTICIAN", "FLOWERS", "BANK",
    "TRAVEL", "TOYS", "MUSIC", "GIFTS", "WINES", "MARKET", "BUTCHER", "FISH", "TAILOR", "KEBAB", "PHOTO",
    "CYCLES", "DELI", "TEA", "ROOMS", "JEWELLER", "LETTINGS", "ESTATES", "DRY", "CLEAN", "SALE",
]  # fmt: skip


NAMES = [
    "Harris", "Moore", "Webb", "Lacey", "Dunn", "Orchard", "Mill", "Bridge", "Regent", "Park", "Green",
    "Corner", "Castle", "River", "Abbey", "King", "Swan",
]  # fmt: skip


def fascia(d, tile, w, h, i, rng):
    back = jitter(
        rng,
        rng.choice(
            [
                (0.1, 0.2, 0.45),
                (0.5, 0.07, 0.07),
                (0.08, 0.28, 0.16),
                (0.9, 0.9, 0.88),
                (0.07, 0.07, 0.07),
                (0.85, 0.65, 0.1),
                (0.3, 0.12, 0.3),
                (0.5, 0.5, 0.5),
                (0.75, 0.3, 0.08),
            ]
        ),
        0.2,
    )
    ink = (
        (240, 240, 235, 255)
        if sum(back) < 1.3
        else rgb(rng.choice([(0.1, 0.1, 0.1), (0.5, 0.05, 0.05), (0.05, 0.1, 0.4)]))
    )
    d.rectangle((0, 0, w, h), fill=rgb(back))
    name = f"{rng.choice(NAMES)}" + rng.choice(["", "'s", " & Co", " & Son"])
    words = rng.choice([rng.choice(WORDS), f"{name} {rng.choice(WORDS).title()}", name])
    text(d, (14, 4, w - 14, h - 4), words, ink, rng, rng.uniform(0.5, 0.8))


def roadsign(d, tile, w, h, i, rng):
    """Cells 0-7 round, 8-12 triangular, 13-21 rectangular, 22-23 backs."""
    white, red, blue, black = (235, 235, 235, 255), (190, 20, 30, 255), (20, 70, 160, 255), (20, 20, 20, 255)
    if i < 8:
        back = [white, white, red, blue, blue, white, white, blue][i]
        d.ellipse((1, 1, w - 2, h - 2), fill=back)
        if back == white or i == 7:
            d.ellipse((3, 3, w - 4, h - 4), outline=red, width=16)
        if i in (0, 1):
            text(d, (28, 28, w - 28, h - 28), ("20", "30")[i], black, rng, 0.9)
        elif i == 2:
            d.rectangle((24, 52, w - 24, 76), fill=white)
        elif i in (3, 4):
            d.polygon(
                [
                    (w / 2, 22),
                    (w - 36, 62),
                    (w / 2 + 10, 62),
                    (w / 2 + 10, h - 24),
                    (w / 2 - 10, h - 24),
                    (w / 2 - 10, 62),
                    (36, 62),
                ],
                fill=white,
            )
        elif i == 7:
            d.line((24, 24, w - 24, h - 24), fill=red, width=14)
        else:
            d.rectangle((50, 40, 78, 88), fill=black)
    elif i < 13:
        pts = [(w / 2, 6), (w - 4, h - 18), (4, h - 18)]
        d.polygon(pts, fill=red)
        d.polygon([(w / 2, 34), (w - 28, h - 32), (28, h - 32)], fill=white)
        d.rectangle((w / 2 - 6, 54, w / 2 + 6, 84), fill=black)
    elif i < 22:
        back = rng.choice([blue, (10, 90, 60, 255), white, white, (220, 190, 30, 255), (30, 30, 35, 255)])
        d.rectangle((0, 0, w, h), fill=white if back != white else black)
        d.rectangle((4, 4, w - 5, h - 5), fill=back)
        ink = black if back in (white, (220, 190, 30, 255)) else white
        for k in range(rng.choice([1, 2, 3, 3])):
            text(
                d,
                (12, 10 + 36 * k, w - 12, 42 + 36 * k),
                rng.choice(
                    ["P", "City", "A 10", "North", "Zone", "Bus", "Park", "Only", "Ring", "STOP", "A 14", "Hall"]
                ),
                ink,
                rng,
                0.9,
            )
    else:
        d.rectangle((0, 0, w, h), fill=(120, 122, 124, 255))


def poster(d, tile, w, h, i, rng):
    top, low = [[rng.uniform(0.1, 0.9) for _ in range(3)] for _ in range(2)]
    for y in range(h):
        f = y / h
        d.line((0, y, w, y), fill=rgb([a * (1 - f) + b * f for a, b in zip(top, low, strict=False)]))
    for _ in range(4):
        x, y, r = rng.uniform(0, w), rng.uniform(0, h), rng.uniform(10, 50)
        d.ellipse((x - r, y - r, x + r, y + r), fill=rgb([rng.uniform(0.1, 0.9) for _ in range(3)]))
    text(d, (8, h * 0.7, w - 8, h * 0.9), rng.choice(WORDS), (245, 245, 245, 255), rng)
