"""Movies in and out of files: HDF5 (native, NeXus, NXstxm), TIFF, FITS, pictures, video, STXM stacks, numpy, xarray.

What a file does not state (axis order, pixel size, frame times) is never guessed: `load` refuses and names
the argument that settles it, and `info` prints what is inside and what is missing.
"""

from .arrays import from_xarray, to_xarray
from .atomic import replacing
from .files import load, save
from .hdf5 import read_arrays, write_arrays
from .info import Info, info
from .napari import to_napari
from .video import write_video

__all__ = [
    "Info",
    "from_xarray",
    "info",
    "load",
    "read_arrays",
    "replacing",
    "save",
    "to_napari",
    "to_xarray",
    "write_arrays",
    "write_video",
]
