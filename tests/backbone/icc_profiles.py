"""Small ICC profiles, byte by byte: PIL makes none but sRGB and Lab."""

import struct

D50 = (0.9642, 1.0, 0.8249)


def fixed(*numbers):
    return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)


def profile(space, pcs, tags):
    table, data = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        table += name + struct.pack(">II", 128 + 4 + 12 * len(tags) + len(data), len(value))
        data += value + b"\0" * (-len(value) % 4)
    kind = b"prtr" if space == b"CMYK" else b"mntr"
    header = struct.pack(
        ">I4sI4s4s4s12s4s", 128 + len(table) + len(data), b"lcms", 0x02100000, kind, space, pcs, b"", b"acsp"
    )
    return header.ljust(68, b"\0") + fixed(*D50).ljust(60, b"\0") + table + data


def xyz(*numbers):
    return b"XYZ \0\0\0\0" + fixed(*numbers)


def gamma(power):
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(power * 256))


def grey(power):
    return profile(b"GRAY", b"XYZ ", {b"wtpt": xyz(*D50), b"kTRC": gamma(power)})


def rgb(power):
    """sRGB's primaries, with another curve."""
    red, green, blue = (0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)
    tags = {b"wtpt": xyz(*D50), b"rXYZ": xyz(*red), b"gXYZ": xyz(*green), b"bXYZ": xyz(*blue)}
    return profile(b"RGB ", b"XYZ ", {**tags, **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), gamma(power))})


def cmyk(corners, paper=(100, 0, 0)):
    """The Lab colours of full inks, by (c, m, y, k) of 0 and 1; all others are the paper's."""
    ramp = bytes(range(256))
    clut = b""
    for corner in range(16):
        light, a, b = corners.get(tuple(corner >> shift & 1 for shift in (3, 2, 1, 0)), paper)
        clut += bytes((round(light * 2.55), round(a + 128), round(b + 128)))
    lut = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1) + ramp * 4 + clut + ramp * 3
    return profile(b"CMYK", b"Lab ", {b"wtpt": xyz(*D50), b"A2B0": lut})
