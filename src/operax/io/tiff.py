"""TIFF stacks: plain, ImageJ and OME, with the axes, pixel size and times that their metadata state."""

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import tifffile

from ..movie import Movie
from .atomic import replacing
from .recording import Recording, axis_name, plain_unit

# OME-XML (2016-06) lists its units; these are the ones that movies are likely to be in.
OME_LENGTHS = {"m": "m", "cm": "cm", "mm": "mm", "um": "µm", "nm": "nm", "pm": "pm", "px": "pixel"}
OME_TIMES = {"d": "d", "h": "h", "min": "min", "s": "s", "ms": "ms", "us": "µs", "ns": "ns"}
OME_SIZES = {"plane": "PhysicalSizeZ", "row": "PhysicalSizeY", "column": "PhysicalSizeX"}


class _Complaints(logging.Handler):
    """Keeps what tifffile only logs: it reads on past broken pages, and so would lose frames silently."""

    def __init__(self):
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record):
        self.lines.append(record.getMessage())


def _walk(path: str | os.PathLike) -> None:
    """Follow the chain of pages once: tifffile goes round a loop of them for ever."""
    with open(path, "rb") as file:
        head = file.read(16)
        order: Literal["little", "big"] = "big" if head[:2] == b"MM" else "little"
        big = int.from_bytes(head[2:4], order) == 43
        # sizes of the count of tags, of a tag, and of the offset of the next page
        count, tag, step = (8, 20, 8) if big else (2, 12, 4)
        offset, seen = int.from_bytes(head[8:16] if big else head[4:8], order), set()
        while offset:
            if offset in seen:
                raise ValueError(f"{path}: is damaged, its pages form a loop.")
            seen.add(offset)
            file.seek(offset)
            tags = int.from_bytes(file.read(count), order)
            try:
                file.seek(offset + count + tags * tag)
            except (OSError, OverflowError):
                return
            # beyond the end there is nothing: what is wrong is said by the parser
            offset = int.from_bytes(file.read(step), order)
            if offset >= 2**63:
                return


@contextlib.contextmanager
def _opened(path: str | os.PathLike) -> Iterator[tifffile.TiffFile]:
    """A TIFF for reading; whatever the parser stumbles over is reported as damage of the file."""
    _walk(path)
    complaints = _Complaints()
    log = logging.getLogger("tifffile")
    log.addHandler(complaints)
    try:
        with tifffile.TiffFile(path) as file:
            yield file
    except (PermissionError, MemoryError, ImportError):
        raise
    except Exception as error:  # a parser of damaged bytes fails in every way there is
        if "imagecodecs" in str(error):
            raise ImportError(
                f"{path}: is compressed in a way that needs the package imagecodecs ({error}); "
                "`pip install imagecodecs`, or save it again uncompressed or with deflate."
            ) from error
        raise ValueError(f"{path}: is truncated, damaged or no TIFF ({error}).") from error
    finally:
        log.removeHandler(complaints)
    if complaints.lines:
        raise ValueError(f"{path}: is truncated or damaged ({complaints.lines[0]}).")


def record(path: str | os.PathLike, dataset: str | int | None = None) -> Recording:
    """What a TIFF states of a movie.

    Raises
    ------
    ValueError
        If it is damaged, or holds several series of images and ``dataset`` does not pick one.
    ImportError
        If its compression needs imagecodecs.
    """
    with _opened(path) as file:
        count = len(file.series)
        known = (file.ome_metadata, file.imagej_metadata or {}, _resolution(file))
        shapes = [tuple(int(n) for n in series.shape) for series in file.series]
        letters = [series.axes for series in file.series]
        dtypes = [str(series.dtype) for series in file.series]
        # a page a frame: frames can be read one by one
        counts = [len(series.pages) if len(series.shape) > len(series.keyframe.shape) else 0 for series in file.series]
    if dataset is None and count == 1:
        dataset = 0
    if not isinstance(dataset, int) or not 0 <= dataset < count:
        raise ValueError(
            f"{path}: holds {count} series of images with shapes {shapes[:8]}; `dataset` picks one by its "
            f"number from 0 to {count - 1}, got {dataset!r}."
        )
    ome, imagej, resolution = known
    axes = _axes(letters[dataset])
    times, spacing, units, kind, refused = None, {}, (None, None, None), "TIFF", ""
    frames = shapes[dataset][axes.index("time")] if axes and "time" in axes else 0
    if ome:
        kind = "OME-TIFF"
        try:
            times, spacing, units, refused = _ome(ome, dataset, frames)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, SyntaxError) as error:
            raise ValueError(f"{path}: its OME-XML cannot be understood ({error!r}).") from error
    elif imagej:
        kind = "ImageJ TIFF"
        times, spacing, units = _imagej(imagej, resolution, frames)
    series, pages = dataset, counts[dataset]
    return Recording(
        path=os.fspath(path),
        format=kind,
        shape=shapes[dataset],
        dtype=dtypes[dataset],
        read=lambda: _values(path, series),
        first=lambda: _first(path, series),
        part=(lambda part: _values(path, series, part)) if shapes[series][:1] == (pages,) else None,
        axes=axes,
        stated=letters[dataset],
        times=times,
        spacing=spacing,
        units=units,
        refused=refused,
    )


def _axes(letters: str) -> tuple[str, ...] | None:
    """Axis names of a series; ``None`` where tifffile only counts pages (I, Q), or samples come first."""
    # samples of colour are the last axis; a leading S is a short stack mistaken for colour
    named = letters[:-1] + "C" if letters.endswith("S") else letters
    names = [axis_name(letter) for letter in named]
    if None in names or len(set(names)) != len(names):
        return None
    return tuple(n for n in names if n)


def _values(path, series: int, part: slice | None = None) -> np.ndarray:
    with _opened(path) as file:
        if part is None:
            return file.series[series].asarray()
        pages = file.series[series].pages[part]
        return np.stack([page.asarray() for page in pages if page is not None])


def _first(path, series: int) -> np.ndarray:
    with _opened(path) as file:
        page = file.series[series].keyframe
        return page.asarray()


def _resolution(file: tifffile.TiffFile) -> dict[str, float]:
    """Units of length a pixel along row and column, from the resolution tags of the first page."""
    found: dict[str, float] = {}
    for name, tag in (("row", "YResolution"), ("column", "XResolution")):
        entry = file.pages.first.tags.get(tag)
        if entry is not None and np.size(entry.value) == 2 and min(entry.value) > 0:
            found[name] = entry.value[1] / entry.value[0]
    return found


def _imagej(stated: dict[str, Any], resolution: dict[str, float], frames: int):
    unit = plain_unit(str(stated.get("unit", "")))
    # without a unit, or in pixels, ImageJ's resolution is a default and not a calibration
    spacing = dict(resolution) if unit not in (None, "px") else {}
    if spacing and isinstance(stated.get("spacing"), (int, float)) and stated["spacing"]:
        spacing["plane"] = abs(float(stated["spacing"]))
    interval = stated.get("finterval", 0)
    timed = frames and isinstance(interval, (int, float)) and interval > 0
    times = interval * np.arange(frames) if timed else None
    clock = plain_unit(str(stated.get("tunit", "s"))) if timed else None
    return times, spacing, (unit if spacing else None, clock, None)


def _ome(xml: str, series: int, frames: int):
    image = tifffile.xml2dict(xml)["OME"]["Image"]
    pixels = (image[series] if isinstance(image, list) else image)["Pixels"]
    sizes = {name: key for name, key in OME_SIZES.items() if key in pixels}
    spacing = {name: float(pixels[key]) for name, key in sizes.items()}
    lengths = {plain_unit(str(pixels.get(f"{key}Unit", "µm"))) for key in sizes.values()}
    planes = pixels.get("Plane", [])
    planes = planes if isinstance(planes, list) else [planes]
    starts: dict[int, tuple[float, str]] = {}
    for plane in planes:  # the first plane of a frame tells when the frame began
        if "DeltaT" in plane:
            unit = plain_unit(str(plane.get("DeltaTUnit", "s"))) or "s"
            starts.setdefault(int(plane.get("TheT", 0)), (float(plane["DeltaT"]), unit))
    times, clock = None, None
    if frames and set(range(frames)) <= set(starts):
        times = np.array([starts[i][0] for i in range(frames)])
        clock = starts[0][1]
    elif frames and pixels.get("TimeIncrement"):
        times = float(pixels["TimeIncrement"]) * np.arange(frames)
        clock = plain_unit(str(pixels.get("TimeIncrementUnit", "s")))
    refused = ""
    if len(lengths) > 1 or len({unit for _, unit in starts.values()}) > 1:
        refused = "its axes or frames have different units; write it again in one unit of length and of time"
    return times, spacing, (next(iter(lengths), None), clock, None), refused


def write_movie(path: str | os.PathLike, movie: Movie) -> None:
    """Write a movie of images to OME-TIFF, which Fiji, napari and tifffile read with its scale.

    Raises
    ------
    ValueError
        If TIFF has no way to say what the movie is: an energy axis, a line, or an unknown unit of length.

    Warns
    -----
    UserWarning
        Where something is not kept: variance, mask, a boundary that is not no-flux, ``reads``, a unit of time or value
        that OME does not know. HDF5 keeps everything.
    """
    length, time, value = movie.units
    if movie.axis != "time" or movie.domain.ndim == 1:
        raise ValueError(f"TIFF holds images over time, not axes {movie.axes}; save the movie to .h5.")
    if plain_unit(length) not in OME_LENGTHS:
        raise ValueError(f"OME-TIFF knows the units of length {', '.join(OME_LENGTHS)}, got {length!r}; save to .h5.")
    unit, clock = OME_LENGTHS[str(plain_unit(length))], OME_TIMES.get(str(plain_unit(time)))
    lost = [
        word
        for word, gone in (
            ("variance", movie.variance is not None),
            ("the mask", movie.domain.masked),
            ("the boundary", set(movie.domain.boundary) != {"no-flux"}),
            ("`reads`", movie.reads != (0,)),
            (f"times in {time!r}", clock is None),
            (f"the value's unit {value!r}", value != "1"),
        )
        if gone
    ]
    if lost:
        warnings.warn(f"{path} does not keep {', '.join(lost)}; save to .h5 to keep everything.", stacklevel=3)

    frames = np.asarray(movie.frames)
    letters = "T" + {2: "YX", 3: "ZYX"}[movie.domain.ndim]
    metadata: dict[str, Any] = {}
    if movie.channels_ndim:
        frames, letters = np.moveaxis(frames, -1, 1), "TC" + letters[1:]
    metadata["axes"] = letters
    for name, step in zip(movie.domain.axes, movie.domain.spacing):
        metadata[OME_SIZES[name]] = step
        metadata[f"{OME_SIZES[name]}Unit"] = unit
    if clock is not None:
        # one entry for each plane; planes and channels of a frame share its time
        starts = np.repeat(np.asarray(movie.times, float), int(np.prod(frames.shape[1:-2])))
        metadata["Plane"] = {"DeltaT": starts.tolist(), "DeltaTUnit": [clock] * len(starts)}
    with replacing(path) as part:
        tifffile.imwrite(
            part,
            frames,
            ome=True,
            metadata=metadata,
            photometric="minisblack",
            compression="zlib",
            bigtiff=frames.nbytes > 2**31,
        )
