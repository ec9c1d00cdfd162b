"""All frames of a movie in one picture of indexed colours, which a browser cuts apart again."""

import struct
import zlib

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.colors import Normalize

from .style import with_grey

# Colours of a palette; the first of its 256 entries is for what cannot be shown.
SHADES = 255
# A sheet is at most this many pixels wide and high, the least that every browser decodes.
WIDEST = 4096


def palette(colours: str, shades: int = SHADES) -> UInt8[np.ndarray, "shade 3"]:
    """A colour map as RGB values."""
    return np.round(255 * with_grey(colours)(np.linspace(0, 1, shades))[:, :3]).astype(np.uint8)


def sheet(values: Float[np.ndarray, "time row column"], norm: Normalize, colours: str) -> tuple[bytes, int]:
    """All frames as one PNG, row by row, and how many stand in a row."""
    frames, height, width = values.shape
    columns = max(1, min(frames, WIDEST // width, round((frames * height / width) ** 0.5)))
    rows = -(-frames // columns)
    known = np.isfinite(values)
    shade = np.clip(np.asarray(norm(np.where(known, values, 0))), 0, 1) * (SHADES - 1)
    index = np.zeros((rows * columns, height, width), np.uint8)
    index[:frames] = np.where(known, 1 + np.round(shade), 0)
    whole = index.reshape(rows, columns, height, width).swapaxes(1, 2).reshape(rows * height, columns * width)
    grey = np.round(255 * np.asarray(with_grey(colours).get_bad()[:3]))[None].astype(np.uint8)
    return _indexed_png(whole, np.concatenate([grey, palette(colours)])), columns


def _indexed_png(pixels: UInt8[np.ndarray, "row column"], colours: UInt8[np.ndarray, "shade 3"]) -> bytes:
    """A PNG of palette entries (W3C PNG, 3rd edition, section 11): matplotlib writes three times as many bytes."""
    height, width = pixels.shape
    lines = np.pad(pixels, ((0, 0), (1, 0))).tobytes()  # filter type 0 before every line
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0),
        b"PLTE": colours.tobytes(),
        b"IDAT": zlib.compress(lines, 9),
        b"IEND": b"",
    }
    written = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks.items()
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(written)


def reduced(values: Float[np.ndarray, "time row column"], by: int) -> Float[np.ndarray, "time row column"]:
    """Means over squares of ``by`` pixels; empty where all of a square is."""
    if by == 1:
        return values
    padding = [(0, -n % by) for n in values.shape[1:]]
    padded = np.pad(values, ((0, 0), *padding), constant_values=np.nan)
    frames, height, width = padded.shape
    squares = padded.reshape(frames, height // by, by, width // by, by)
    known = np.isfinite(squares)
    count = known.sum((2, 4))
    total = np.where(known, squares, 0).sum((2, 4))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
