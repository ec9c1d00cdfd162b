"""Small good files of every reader, to be damaged, and what `operax.load` has to be told of each."""

import gzip
import io as streams
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import imageio.v3 as images
import imageio_ffmpeg
import numpy as np
import tifffile

from operax import io
from operax.domain import Domain
from operax.movie import Movie

from .mutate import damaged

RNG = np.random.default_rng(0)
COUNTS = RNG.integers(0, 255, (4, 5, 6)).astype(np.uint8)
LATTICE = {"times": 1.0, "spacing": 1.0, "units": ("um", "s", "1")}
IMAGE = {**LATTICE, "times": [0.0]}
Sample = tuple[str, bytes, dict]


def _made(folder: Path, name: str, write: Callable[[Path], object], **how) -> Sample:
    path = folder / name
    write(path)
    return name, path.read_bytes(), how


def hdf5(folder: Path) -> list[Sample]:
    """The native file, one without variance, and one of arrays."""
    inside = np.ones((5, 6), bool)
    inside[0, 0] = False
    full = Movie(
        COUNTS.astype(np.float32),
        np.array([0.0, 1, 2.5, 3]),
        Domain((5, 6), (0.1, 0.2), ("periodic", "no-flux"), inside),
        variance=np.ones(COUNTS.shape, np.float32),
        units=("um", "s", "1"),
        reads=(-1, 0, 1),
    )
    return [
        _made(folder, "full.h5", lambda path: io.save(path, full)),
        _made(folder, "plain.h5", lambda path: io.save(path, full.replace(variance=None))),
    ]


def nexus(folder: Path) -> list[Sample]:
    """NXdata of another writer, and two kinds of NXstxm."""

    def data(path):
        with h5py.File(path, "w") as file:
            file.attrs["default"] = "entry"
            entry = file.create_group("entry")
            entry.attrs.update(NX_class="NXentry", default="data")
            group = entry.create_group("data")
            group.attrs.update(NX_class="NXdata", signal="counts", axes=["time", "y", "x"])
            group["counts"] = COUNTS
            for name, size, unit in (("time", 4, "s"), ("y", 5, "um"), ("x", 6, "um")):
                group[name] = np.arange(size) * 0.5
                group[name].attrs["units"] = unit

    def stxm(path, energies=(700.0, 707.5, 708.2, 712.0)):
        with h5py.File(path, "w") as file:
            entry = file.create_group("entry1")
            entry.attrs["NX_class"] = np.bytes_("NXentry")
            entry["definition"] = np.array([b"NXstxm"])
            group = entry.create_group("counter0")
            group.attrs.update(NX_class=np.bytes_("NXdata"), signal=np.bytes_("data"))
            group.attrs["axes"] = np.array(["energy", "sample_y", "sample_x"], "S13")
            group["data"] = COUNTS[: len(energies)]
            for name, values in (
                ("energy", np.array(energies)),
                ("sample_y", 0.1 * np.arange(5)),
                ("sample_x", np.arange(6.0)),
            ):
                group[name] = values
                group[name].attrs["units"] = np.bytes_("eV" if name == "energy" else b"\xb5m")

    return [
        _made(folder, "data.nxs", data),
        _made(folder, "stack.hdf5", stxm),
        _made(folder, "image.hdf5", lambda path: stxm(path, (700.0,))),
    ]


def tiff(folder: Path) -> list[Sample]:
    """Plain, ImageJ, OME, compressed, and colour."""
    kinds = {
        "plain.tif": {"photometric": "minisblack"},
        "imagej.tif": {"imagej": True, "resolution": (2.0, 2.0), "metadata": {"axes": "TYX", "finterval": 0.5}},
        "stack.ome.tif": {
            "metadata": {"axes": "TYX", "TimeIncrement": 2.0, "PhysicalSizeX": 0.1, "PhysicalSizeY": 0.1}
        },
        "packed.tif": {"photometric": "minisblack", "compression": "zlib"},
    }
    made = [
        _made(folder, name, lambda path, how=how: tifffile.imwrite(path, COUNTS, **how), axes="tyx", **LATTICE)
        for name, how in kinds.items()
    ]
    colour = np.repeat(COUNTS[..., None], 3, -1)
    return [
        *made,
        _made(folder, "rgb.tif", lambda p: tifffile.imwrite(p, colour, photometric="rgb"), axes="tyxc", **LATTICE),
    ]


def fits(folder: Path) -> list[Sample]:
    """A cube, an image with a clock, and the same gzipped."""
    from astropy.io import fits as pyfits

    def cube(path):
        pyfits.PrimaryHDU(COUNTS.astype(np.int16)).writeto(path, overwrite=True)

    def image(path):
        unit = pyfits.PrimaryHDU(COUNTS[0].astype(np.float32))
        unit.header["TOF"] = 0.25
        unit.writeto(path, overwrite=True)

    made = [
        _made(folder, "cube.fits", cube, axes="tyx", **LATTICE),
        _made(folder, "image.fits", image, **IMAGE),
    ]
    packed = gzip.compress(made[1][1], mtime=0)
    return [*made, ("image.fits.gz", packed, made[1][2])]


def pictures(folder: Path) -> list[Sample]:
    """PNG, JPEG and BMP."""
    kinds = (
        ("a.png", COUNTS[0]),
        ("b.png", np.repeat(COUNTS[0][..., None], 3, -1)),
        ("a.jpg", COUNTS[0]),
        ("a.bmp", COUNTS[0]),
    )
    return [
        _made(folder, name, lambda path, image=image: images.imwrite(path, image), **IMAGE) for name, image in kinds
    ]


def video(folder: Path) -> list[Sample]:
    """MP4 and AVI."""

    def film(path):
        source = ("-f", "lavfi", "-i", "testsrc=size=16x16:rate=4:duration=1")
        subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-y", *source, str(path)], check=True, capture_output=True)

    return [_made(folder, name, film, channel=0, **LATTICE) for name in ("film.mp4", "film.avi")]


def numpy(folder: Path) -> list[Sample]:
    """An array, and archives of one and of two."""
    return [
        _made(folder, "a.npy", lambda path: np.save(path, COUNTS), axes="tyx", **LATTICE),
        _made(folder, "b.npy", lambda path: np.save(path, COUNTS.astype(">f8")), axes="tyx", **LATTICE),
        _made(folder, "a.npz", lambda path: np.savez(path, COUNTS), axes="tyx", **LATTICE),
        _made(
            folder,
            "b.npz",
            lambda path: np.savez_compressed(path, a=COUNTS, b=COUNTS),
            axes="tyx",
            dataset="a",
            **LATTICE,
        ),
    ]


def xim(folder: Path) -> list[Sample]:
    """A zipped stack."""

    def points(values):
        return f"({len(values)}, {', '.join(f'{v:.4f}' for v in values)})"

    axis = '{{ Name = "{}"; Unit = "um"; Points = {};\n}};\n'
    region = "{ PAxis = " + axis.format("Sample X", points(0.1 * np.arange(6)))
    region += "QAxis = " + axis.format("Sample Y", points(0.1 * np.arange(5))) + "}"
    header = (
        'ScanDefinition = { Label = "s.hdr"; Type = "NEXAFS Image Scan"; Dwell = 0.4;\nRegions = (1,\n'
        f'{region});\nStackAxis = {{ Name = "Energy"; Unit = "eV"; Points = {points([700, 701, 702, 703])};\n}};\n'
        'Channels = (1,\n{ Name = "counter1"; Unit = "counts";});\n};\n Time = "2007";\n'
    )

    def packed(path):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("s.hdr", header)
            for i, image in enumerate(COUNTS):
                text = streams.StringIO()
                np.savetxt(text, image, delimiter="\t", fmt="%.3f")
                archive.writestr(f"s_a{i:03d}.xim", text.getvalue())

    return [_made(folder, "stack.zip", packed)]


READERS = {made.__name__: made for made in (hdf5, nexus, tiff, fits, pictures, video, numpy, xim)}


def harmed(name: str, data: bytes, rng: np.random.Generator) -> bytes:
    """A damaged file: the bytes themselves or, half of the time, what is packed inside a good archive or HDF5 file."""
    if rng.integers(2):
        return damaged(data, rng)
    if name.endswith(".gz"):
        return gzip.compress(damaged(gzip.decompress(data), rng), mtime=0)
    if name.endswith((".zip", ".npz")):
        return _repacked(data, rng)
    if name.endswith((".h5", ".nxs", ".hdf5")):
        return _restructured(data, rng)
    return damaged(data, rng)


def _repacked(data: bytes, rng: np.random.Generator) -> bytes:
    out = streams.BytesIO()
    with zipfile.ZipFile(streams.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        names = old.namelist()
        hit = names[rng.integers(len(names))]
        for name in names:
            held = old.read(name)
            fate = rng.integers(6) if name == hit else 9
            if fate == 0:
                continue
            if fate == 1:
                name = str(rng.choice(["../up.xim", "/root.hdr", "s.hdr", "b.npy", "x\n.xim"]))
            new.writestr(name, damaged(held, rng) if fate < 9 else held)
    return out.getvalue()


def _restructured(data: bytes, rng: np.random.Generator) -> bytes:
    """One object of an HDF5 file taken away, or put in its place what does not belong there."""
    held = streams.BytesIO(data)
    with h5py.File(held, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        name = names[rng.integers(len(names))]
        kind = rng.integers(8)
        attributes = list(file[name].attrs)
        if kind == 0:
            del file[name]
        elif kind <= 2 and attributes:
            hit = attributes[rng.integers(len(attributes))]
            file[name].attrs[hit] = [np.nan, "", b"\xff\xfe", np.zeros((2, 2)), -1, "nowhere", 10**9][rng.integers(7)]
        else:
            del file[name]
            shape = [(), (0,), (2,), (4, 5, 6), (1, 1), (3, 3, 3, 3)][rng.integers(6)]
            if kind == 3:
                file[name] = h5py.SoftLink(f"/{name}")
            elif kind == 4:
                file[name] = h5py.ExternalLink("/etc/passwd", "/")
            elif kind == 5:
                file.create_group(name)
            elif kind == 6:
                # a size that nobody can hold, of which nothing is stored
                file.create_dataset(name, (2**20, 2**20, 2**10), "f8", chunks=(1, 1, 1024))
            else:
                values = [np.full(shape, v) for v in (np.nan, 1.0, 7, True, b"word", 1j)]
                file[name] = values[rng.integers(6)]
    return held.getvalue()
