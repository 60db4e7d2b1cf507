"""The vocabulary of the lab: everything a caption can say, and what it looks like.

The world is kept this small on purpose: a model of a few million parameters has to master it on two CPU cores.
"""

SHAPES = ("circle", "square", "triangle", "star", "ring")

COLORS = {  # sRGB, 0..255; far apart from each other and from every background
    "red": (222, 46, 48),
    "yellow": (250, 208, 32),
    "green": (28, 140, 62),
    "blue": (36, 82, 220),
    "purple": (150, 52, 182),
    "white": (250, 250, 250),
}

BACKGROUNDS = {  # the two ends of a linear gradient
    "sky": ((132, 200, 246), (198, 230, 252)),
    "night": ((14, 16, 44), (44, 36, 84)),
    "sand": ((216, 180, 124), (236, 208, 160)),
    "meadow": ((140, 190, 96), (182, 216, 130)),
}

SIZES = {"small": 0.13, "large": 0.19}  # radius / shorter image side

POSITIONS = {  # center (x, y) / image sides
    "left": (0.26, 0.5),
    "right": (0.74, 0.5),
    "top": (0.5, 0.26),
    "bottom": (0.5, 0.74),
    "center": (0.5, 0.5),
}

OPPOSITE = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}  # where a second item may stand

SAID = {"flat": "plain"}  # values that instructions and captions call otherwise

IMAGE_SIZE = 128  # pixels, what the model is trained on

ATTRIBUTES = {  # of an item; the background belongs to the scene
    "shape": SHAPES,
    "color": tuple(COLORS),
    "size": tuple(SIZES),
    "position": tuple(POSITIONS),
    "fill": ("flat", "striped"),
}
