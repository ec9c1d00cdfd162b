"""Files that appear whole or not at all."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Give a temporary path in the same folder, which takes the place of ``path`` when the block ends well.

    The block writes and closes the temporary file. If it raises, the temporary file is removed and whatever
    stood at ``path`` is untouched. A symbolic link is followed, so that the link stays a link.

    Parameters
    ----------
    path
        The file to make or replace.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    """
    # realpath: os.replace would put a file in the place of a link
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(f"the folder {target.parent} does not exist; make it before writing {target.name}.")
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder; give the name of a file.")
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    # made here, and exclusively, so that the user's umask decides its permissions
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield part
        with open(part, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
