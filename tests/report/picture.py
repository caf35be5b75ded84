"""picture.py - the pixels of a PNG as browsers write them: 8 bits a channel,
not interlaced."""

import base64
import struct
import zlib


def chunks(data):
    at = 8
    while at < len(data):
        (size,) = struct.unpack(">I", data[at:at + 4])
        yield data[at + 4:at + 8], data[at + 8:at + 8 + size]
        at += 12 + size


def unfilter(kind, line, before, bpp):
    """PNG, section 9: each byte is told by those left of it and above."""
    if kind == 0:
        return
    for i, value in enumerate(line):
        a = line[i - bpp] if i >= bpp else 0
        b = before[i]
        if kind == 1:
            guess = a
        elif kind == 2:
            guess = b
        elif kind == 3:
            guess = (a + b) // 2
        else:
            c = before[i - bpp] if i >= bpp else 0
            p = a + b - c
            guess = min((abs(p - a), 0, a), (abs(p - b), 1, b),
                        (abs(p - c), 2, c))[2]
        line[i] = (value + guess) & 255


def pixels(text):
    """Tuples of red, green, blue, from the base64 of a PNG."""
    packed, width, bpp = b"", 0, 0
    for kind, body in chunks(base64.b64decode(text)):
        if kind == b"IHDR":
            width, _, depth, colour, _, _, lace = struct.unpack(">IIBBBBB",
                                                                body)
            assert depth == 8 and lace == 0 and colour in (2, 6)
            bpp = 3 if colour == 2 else 4
        elif kind == b"IDAT":
            packed += body
    raw = zlib.decompress(packed)
    stride = width * bpp
    before = bytearray(stride)
    for at in range(0, len(raw), stride + 1):
        line = bytearray(raw[at + 1:at + 1 + stride])
        unfilter(raw[at], line, before, bpp)
        for i in range(0, stride, bpp):
            yield line[i], line[i + 1], line[i + 2]
        before = line
