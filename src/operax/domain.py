"""The place a movie was taken and an equation is solved: cells, spacing, boundary, particle mask."""

import math
from functools import lru_cache

import equinox as eqx
import numpy as np

ENDS = ("no-flux", "fixed-value", "fixed-flux")
BOUNDARIES = ("periodic", *ENDS)


def _shape(value) -> tuple[int, ...]:
    return tuple(int(n) for n in np.atleast_1d(value))


def _spacing(value) -> tuple[float, ...]:
    return tuple(float(h) for h in np.atleast_1d(value))


def _ends(word) -> tuple[str, ...]:
    """The low and the high end of an axis, from a word for both, two joined by a stroke, or a pair."""
    pair = tuple(word.split("/")) if isinstance(word, str) else tuple(word)
    return pair * 2 if len(pair) == 1 else pair


def _word(pair) -> str:
    low, high = pair
    return low if low == high else f"{low}/{high}"


def _boundary(value, ndim) -> tuple[str, ...]:
    try:
        ends = [_ends(word) for word in ((value,) * ndim if isinstance(value, str) else value)]
        wrong = len(ends) != ndim or any(
            len(pair) != 2 or not (set(pair) <= set(ENDS) or pair == ("periodic",) * 2) for pair in ends
        )
    except TypeError:
        wrong = True
    if wrong:
        raise ValueError(
            f"`boundary` must be one of {BOUNDARIES}, or a tuple of one for each of the {ndim} axes; where the low and "
            f'the high end differ, a pair of {ENDS} stands for an axis: (("fixed-flux", "no-flux"),) for a line. '
            f"Got {value!r}."
        )
    return tuple(_word(pair) for pair in ends)


# Kept outside the domain: what a domain caches in itself would make it unequal to its copies.
@lru_cache(maxsize=64)
def _unpacked(bits: bytes | None, shape: tuple[int, ...]) -> np.ndarray:
    if bits is None:
        mask = np.ones(shape, bool)
    else:
        count = int(np.prod(shape))
        mask = np.unpackbits(np.frombuffer(bits, np.uint8), count=count).astype(bool).reshape(shape)
    mask.flags.writeable = False
    return mask


class Domain(eqx.Module):
    """A rectangle of cell-centred pixels, with an optional particle mask.

    A domain holds no unknown numbers: every field is static, so it is hashable and may be closed over by
    jitted functions. Pixel ``i`` along an axis is centred at ``(i + 1/2) * spacing``.

    Parameters
    ----------
    shape
        Number of pixels along each axis, ``(rows, columns)`` in 2-D. One, two or three axes.
    spacing
        Pixel size along each axis in the movie's unit of length. One number serves every axis.
    boundary
        What holds at the ends of an axis: ``"no-flux"``, ``"periodic"``, ``"fixed-value"`` or ``"fixed-flux"``; one
        for all axes, or a tuple with one for each axis. Where the low and the high end of an axis differ a pair
        stands for it, ``boundary=(("fixed-flux", "no-flux"),)`` for a line, kept as ``("fixed-flux/no-flux",)``. The
        values and fluxes themselves belong to the equation.
    inside
        Boolean array of the domain's shape, ``True`` in the particles. Faces between an inside and an
        outside pixel carry no flux, so each particle keeps its mass. ``None`` means every pixel is inside.

    Raises
    ------
    ValueError
        If a size is below one, a spacing is not positive and finite, the boundary is unknown, or the mask
        does not match the shape or is empty.
    """

    shape: tuple[int, ...] = eqx.field(static=True)
    spacing: tuple[float, ...] = eqx.field(static=True)
    boundary: tuple[str, ...] = eqx.field(static=True)
    mask_bits: bytes | None = eqx.field(static=True, repr=False)

    def __init__(self, shape, spacing=1.0, boundary="no-flux", inside=None):
        self.shape = _shape(shape)
        h = _spacing(spacing)
        self.spacing = h * len(self.shape) if len(h) == 1 else h
        self.boundary = _boundary(boundary, len(self.shape))
        self.mask_bits = None
        if inside is not None:
            mask = np.asarray(inside)
            if mask.dtype != bool:
                raise TypeError(
                    f"`inside` must be a boolean array, got dtype {mask.dtype}; write e.g. `inside=mask > 0`."
                )
            if mask.shape != self.shape:
                raise ValueError(
                    f"`inside` must have the domain's shape {self.shape}, got {mask.shape}; "
                    "crop or transpose the mask to match the frames."
                )
            if not mask.any():
                raise ValueError("`inside` marks no pixel at all; pass `inside=None` for a domain without a mask.")
            if not mask.all():
                self.mask_bits = np.packbits(mask).tobytes()

    def __check_init__(self):
        ndim = len(self.shape)
        if not 1 <= ndim <= 3 or min(self.shape) < 1:
            raise ValueError(f"`shape` must be one to three positive pixel counts, got {self.shape}.")
        if len(self.spacing) != ndim:
            raise ValueError(f"`spacing` must be one number or {ndim} (one an axis), got {self.spacing}.")
        if not all(np.isfinite(h) and h > 0 for h in self.spacing):
            raise ValueError(f"`spacing` must be positive and finite, got {self.spacing}.")

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def ends(self) -> tuple[tuple[str, ...], ...]:
        """What holds at the low and at the high end of each axis."""
        return tuple(_ends(word) for word in self.boundary)

    @property
    def pixel_volume(self) -> float:
        """Length, area or volume of one pixel, in units of length to the number of axes."""
        return math.prod(self.spacing)

    @property
    def inside(self) -> np.ndarray:
        """Boolean mask of the domain's shape, read-only; all ``True`` where no mask was given."""
        return _unpacked(self.mask_bits, self.shape)

    @property
    def masked(self) -> bool:
        """Whether some pixels lie outside the particles."""
        return self.mask_bits is not None

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the space axes, in order: plane, row, column; a line has rows."""
        return {1: ("row",), 2: ("row", "column"), 3: ("plane", "row", "column")}[self.ndim]

    def centres(self) -> tuple[np.ndarray, ...]:
        """Pixel centres along each axis, in units of length."""
        return tuple((np.arange(n) + 0.5) * h for n, h in zip(self.shape, self.spacing))

    def crop(self, *windows: slice) -> "Domain":
        """The part of the domain inside one slice an axis; slices must have step one.

        An end that is cut off becomes no-flux, and so do both of a periodic axis, which then no longer meet.
        """
        if len(windows) != self.ndim:
            raise ValueError(f"`crop` needs one slice for each of the axes {self.axes}, got {len(windows)}.")
        spans = [w.indices(n) for w, n in zip(windows, self.shape)]
        for axis, w, (start, stop, step), n in zip(self.axes, windows, spans, self.shape):
            if step != 1 or stop <= start:
                raise ValueError(f"crop along `{axis}` must keep at least one of its {n} pixels with step 1, got {w}.")
        mask = self.inside[tuple(windows)] if self.masked else None
        if mask is not None and not mask.any():
            raise ValueError(f"crop {windows} keeps no pixel inside the particles; move the window.")
        shape = tuple(stop - start for start, stop, _ in spans)
        boundary = []
        for (low, high), (start, stop, _), n in zip(self.ends, spans, self.shape):
            open_ring = low == "periodic" and stop - start < n
            cut = (start > 0 or open_ring, stop < n or open_ring)
            boundary.append(tuple("no-flux" if c else end for c, end in zip(cut, (low, high))))
        return Domain(shape, self.spacing, boundary, mask)
