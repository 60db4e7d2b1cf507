"""Pictures as people have them: their colours, levels, orientation and alpha."""

import warnings
from pathlib import Path

import icc_profiles
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from flowedit_grag.backbone.image import alpha_of, read_image
from flowedit_grag.errors import InputError

IMAGES = Path(__file__).parent / "images"
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


@pytest.fixture(autouse=True)
def nothing_is_said():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def with_profile(image, profile):
    image.info["icc_profile"] = profile
    return image


def pixel(image):
    return np.array(read_image(image).getpixel((0, 0)), int)


# Colours


@pytest.mark.parametrize("name", ["p3.png", "p3.jpg"])
def test_display_p3_is_converted(name):
    disc = read_image(IMAGES / name).getpixel((67, 95))
    assert np.abs(np.subtract(disc, (35, 79, 213))).max() <= 1


def test_profiles_of_every_kind_are_converted():
    half = 128  # what a linear 55 of 255 is in sRGB
    assert tuple(pixel(with_profile(Image.new("L", (4, 4), 55), icc_profiles.grey(1)))) == (half,) * 3
    assert tuple(pixel(with_profile(Image.new("RGB", (4, 4), (55, 0, 255)), icc_profiles.rgb(1)))) == (half, 0, 255)
    assert tuple(pixel(with_profile(Image.new("L", (4, 4), 55), icc_profiles.rgb(1)))) == (half,) * 3
    deep = with_profile(Image.fromarray(np.full((4, 4), 55 * 257, np.uint16)), icc_profiles.grey(1))
    assert tuple(pixel(deep)) == (half,) * 3
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 55, 0, 255])
    assert tuple(pixel(with_profile(palette, icc_profiles.rgb(1)))) == (half, 0, 255)
    ink = icc_profiles.cmyk({(1, 0, 0, 0): (53.6, 0, 0)})  # a "cyan" that is mid-grey
    assert np.abs(pixel(with_profile(Image.new("CMYK", (4, 4), (255, 0, 0, 0)), ink)) - half).max() <= 1
    assert pixel(with_profile(Image.new("CMYK", (4, 4)), ink)).min() == 255


def test_files_of_every_format_keep_their_profile(tmp_path):
    for name in ("a.png", "a.jpg", "a.webp", "a.tif", "a.avif"):
        Image.new("RGB", (32, 32), (55, 55, 55)).save(tmp_path / name, icc_profile=icc_profiles.rgb(1))
        assert np.abs(pixel(tmp_path / name) - 128).max() <= 2, name
    ink = icc_profiles.cmyk({(1, 0, 0, 0): (53.6, 0, 0)})
    Image.new("CMYK", (32, 32), (255, 0, 0, 0)).save(tmp_path / "print.jpg", icc_profile=ink)
    assert np.abs(pixel(tmp_path / "print.jpg") - 128).max() <= 2


def test_transparent_pictures_are_converted_before_they_lie_on_white():
    for clear, profile in (
        (Image.new("RGBA", (4, 4), (55, 55, 55, 51)), icc_profiles.rgb(1)),
        (Image.new("LA", (4, 4), (55, 51)), icc_profiles.grey(1)),
    ):
        assert np.abs(pixel(with_profile(clear, profile)) - (255 - (255 - 128) * 0.2)).max() <= 1
        assert alpha_of(clear).getpixel((0, 0)) == 51


def test_srgb_changes_no_pixel():
    noise = np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8)
    read = read_image(with_profile(Image.fromarray(noise), SRGB))
    assert np.array_equal(read, noise)
    assert np.array_equal(read_image(with_profile(Image.fromarray(RAMP), SRGB)), np.stack([RAMP] * 3, -1))


def test_what_was_read_is_read_again_as_it_is():
    once = read_image(IMAGES / "p3.png")
    assert np.array_equal(read_image(once), once)
    assert once.info == {}


def test_a_profile_that_cannot_be_used_is_left_out_with_a_word():
    for profile, why in ((b"junk", "cannot open"), (bytes(200), "cannot open"), (icc_profiles.cmyk({}), "for CMYK")):
        image = with_profile(Image.new("RGB", (4, 4), (1, 2, 3)), profile)
        with pytest.warns(UserWarning, match=f"the image: its colour profile cannot be used.*{why}.*taken as sRGB"):
            assert tuple(pixel(image)) == (1, 2, 3)


def test_large_pictures_are_converted_in_strips(monkeypatch):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (37, 23, 4), np.uint8))
    whole = read_image(image)
    monkeypatch.setattr("flowedit_grag.backbone.image_colour.STRIP", 50)
    assert np.array_equal(read_image(image), whole)
    white = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    assert np.array_equal(whole, white.convert("RGB"))


# Levels


@pytest.mark.parametrize(
    "values",
    [
        RAMP, RAMP.astype(np.int16), RAMP.astype(np.int32), RAMP.astype(np.int64), RAMP.astype(np.uint32),
        RAMP.astype(np.uint16) * 257, RAMP.astype(">u2") * 257, RAMP.astype(np.int32) * 257,
        RAMP / 255, (RAMP / 255).astype(np.float32), RAMP.astype(np.float32), RAMP * 257.0, RAMP[..., None],
    ],
    ids=lambda values: f"{values.dtype} to {values.max():g}",
)  # fmt: skip
def test_levels_by_the_range_that_they_are_in(values, tmp_path):
    expected = np.stack([RAMP] * 3, -1)
    assert np.array_equal(read_image(values), expected)
    if values.ndim == 2 and values.dtype in (np.uint8, np.uint16, np.int32, np.float32):
        for name in ("a.tif", "a.png") if values.dtype in (np.uint8, np.uint16) else ("a.tif",):
            Image.fromarray(values).save(tmp_path / name)
            assert np.array_equal(read_image(tmp_path / name), expected)
        assert np.array_equal(read_image(Image.fromarray(values)), expected)


def test_arrays_of_colours_and_alpha():
    colours = np.random.default_rng(0).random((6, 5, 3))
    levels = (colours * 255).round().astype(np.uint8)
    assert np.array_equal(read_image(colours), levels)
    assert np.array_equal(read_image(levels), levels)
    assert np.array_equal(read_image((colours * 65535).round().astype(np.uint16)), levels)
    alpha = np.linspace(0, 1, 30).reshape(6, 5, 1)
    kept = alpha_of(np.concatenate([colours, alpha], 2))
    assert np.array_equal(kept, (alpha[..., 0] * 255).round())
    assert np.array_equal(read_image(np.array([[True, False]])), [[[255] * 3, [0] * 3]])
    assert read_image(np.zeros((4, 4))).getextrema() == ((0, 0),) * 3


def test_floats_a_little_beyond_their_range_are_clipped():
    assert tuple(pixel(np.array([[1.05, 0.5, -0.05]]))) == (255,) * 3
    assert read_image(np.array([[1.05, 0.5, -0.05]])).getpixel((2, 0)) == (0, 0, 0)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([[0.5, np.nan]], "not finite"),
        ([[0.5, np.inf]], "not finite"),
        ([[-1.0, 1.0]], r"from -1 to 1, neither 0\.\.1 nor"),
        ([[0.0, 3.5]], r"from 0 to 3\.5"),  # high dynamic range: nearly black in 0..255
        ([[0.0, 1e6]], "from 0 to 1e"),
        ([[0, 1]], r"from 0 to 1, neither 0\.\.255 nor 0\.\.65535"),
        ([[-100, 200]], "from -100 to 200"),
        ([[0, 70_000_000]], "from 0 to 7e"),
        (np.array([[0, 255]], np.uint16), "would be black"),
        (np.zeros((2, 2), complex), "complex"),
        (np.zeros((2, 2), object), "object"),
    ],
)
def test_levels_of_no_known_range_are_refused(values, words):
    with pytest.raises(InputError, match=words):
        read_image(np.array(values))


def test_levels_of_files_that_are_refused(tmp_path):
    holed = np.full((8, 8), 0.5, np.float32)
    holed[3, 3] = np.nan
    Image.fromarray(holed).save(tmp_path / "nan.tif")
    with pytest.raises(InputError, match=r"nan.tif has pixels that are not finite"):
        read_image(tmp_path / "nan.tif")


def test_sixteen_bits_of_a_pgm_are_sixteen_bits(tmp_path):
    (tmp_path / "dark.pgm").write_bytes(b"P5 2 1 65535\n" + np.array([0, 2570], ">u2").tobytes())
    assert read_image(tmp_path / "dark.pgm").getpixel((1, 0)) == (10,) * 3


@pytest.mark.parametrize("shape", [(3, 8, 8), (8,), (8, 8, 2), (1, 8, 8, 3), (0, 8, 3), (8, 0)])
def test_arrays_of_other_shapes_are_refused(shape):
    with pytest.raises(InputError, match=r"must be \[H, W\], \[H, W, 3\] or \[H, W, 4\]"):
        read_image(np.zeros(shape))


# Orientation and alpha


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once(orientation, tmp_path):
    image, exif = Image.fromarray(np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)), Image.Exif()
    exif[0x112] = orientation
    for name in ("a.png", "a.tif"):
        image.save(tmp_path / name, exif=exif)
        expected = ImageOps.exif_transpose(Image.open(tmp_path / name))
        assert np.array_equal(read_image(tmp_path / name), expected)
        assert np.array_equal(read_image(Image.open(tmp_path / name)), expected)
        assert np.array_equal(read_image(read_image(tmp_path / name)), expected)


def test_broken_exif_leaves_the_picture_as_it_lies(tmp_path):
    Image.new("RGB", (4, 2), "red").save(tmp_path / "a.png", exif=b"Exif\0\0" + b"q" * 50)
    with pytest.warns(UserWarning, match=r"a\.png: its EXIF data cannot be read .* upright"):
        assert read_image(tmp_path / "a.png").size == (4, 2)


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
        assert read_image(clear.convert(mode)).getpixel((1, 1)) == (255, 255, 255), mode
    palette = Image.new("P", (4, 4), 3)
    palette.putpixel((1, 1), 5)
    palette.putpalette([0, 0, 0] * 8)
    palette.save(tmp_path / "palette.gif", transparency=5)
    assert alpha_of(tmp_path / "palette.gif").getextrema() == (0, 255)


def test_the_image_that_was_given_stays_as_it_is():
    image = with_profile(Image.new("RGBA", (4, 4), (1, 2, 3, 4)), SRGB)
    read_image(image)
    alpha_of(image)
    assert (image.mode, image.getpixel((0, 0)), image.info["icc_profile"]) == ("RGBA", (1, 2, 3, 4), SRGB)
