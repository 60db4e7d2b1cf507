"""Pictures as people have them, read as RGB; and their alpha."""

import numpy as np
from PIL import Image

from flowedit_grag.backbone.image import alpha_of, read_image


def test_alpha_lies_as_the_image_does(tmp_path):
    picture = Image.new("RGBA", (20, 10), (200, 30, 40, 255))
    picture.putpixel((0, 0), (200, 30, 40, 7))
    exif = Image.Exif()
    exif[0x112] = 6  # a quarter turn clockwise: what is at the top left goes to the top right
    picture.save(tmp_path / "turned.png", exif=exif)
    alpha = alpha_of(tmp_path / "turned.png")
    assert alpha.mode == "L"
    assert alpha.size == read_image(tmp_path / "turned.png").size == (10, 20)
    assert alpha.getpixel((9, 0)) == 7
    assert np.asarray(alpha).sum() == 199 * 255 + 7


def test_no_alpha_where_nothing_is_transparent():
    assert alpha_of(Image.new("RGB", (4, 4))) is None
    assert alpha_of(Image.new("RGBA", (4, 4), (1, 2, 3, 255))) is None
    assert alpha_of(np.zeros((4, 4, 3), np.uint8)) is None


def test_alpha_of_every_mode_that_has_one(tmp_path):
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 255))
    clear.putpixel((1, 1), (0, 0, 0, 0))
    for mode in ("RGBA", "LA", "PA", "RGBa"):
        assert alpha_of(clear.convert(mode)).getpixel((1, 1)) == 0, mode
    palette = Image.new("P", (4, 4), 3)
    palette.putpixel((1, 1), 5)
    palette.putpalette([0, 0, 0] * 8)
    palette.save(tmp_path / "palette.gif", transparency=5)
    assert alpha_of(tmp_path / "palette.gif").getextrema() == (0, 255)
