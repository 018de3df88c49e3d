"""The eleven classes, in CamVid's order, and the palette stored in the label files."""

SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE, SIGN, FENCE, CAR, PEDESTRIAN, BICYCLIST = range(11)
IGNORE = 11  # things that are none of the eleven: bins, benches, the bonnet of the camera car

NAMES = (
    "Sky",
    "Building",
    "Pole",
    "Road",
    "Pavement",
    "Tree",
    "SignSymbol",
    "Fence",
    "Car",
    "Pedestrian",
    "Bicyclist",
)

# Luminance differs as well as hue, so that neighbouring classes stay apart for colour-blind eyes.
PALETTE = (
    (166, 206, 227),
    (136, 86, 52),
    (255, 255, 153),
    (90, 90, 100),
    (190, 174, 212),
    (27, 120, 55),
    (230, 97, 1),
    (178, 171, 110),
    (31, 90, 180),
    (215, 25, 80),
    (0, 200, 190),
    (0, 0, 0),
)

# A pixel takes the class that covers most of it. Lattices and thin things would vanish at a distance
# under a plain majority although an annotator would still draw them, so they count a little more.
COVER_WEIGHT = {POLE: 1.5, FENCE: 2.2, SIGN: 1.2, PEDESTRIAN: 1.2, BICYCLIST: 1.5}
