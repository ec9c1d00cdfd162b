"""A page in parts - sections of text, tables and pictures - and how it becomes one HTML file."""

import base64
import hashlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import jinja2

from ..io import replacing
from .player import Player


@dataclass(frozen=True)
class Picture:
    """A PNG image with its file name (no suffix) and the sentence below it."""

    name: str
    png: bytes
    caption: str

    @property
    def source(self) -> str:
        """The image as a data URI."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")

    @property
    def width(self) -> int:
        """Width to show it at, in CSS pixels: two thirds of its own (from the PNG header), for sharp text."""
        return int.from_bytes(self.png[16:20], "big") * 2 // 3


@dataclass(frozen=True)
class Table:
    """A table of text; cells "passes", "fails" and "not judged" are coloured."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it: sentences, points, players, pictures, then tables."""

    title: str
    paragraphs: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    players: tuple[Player, ...] = ()
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Page:
    """A title, the finding in a sentence or two, warnings that must not be missed, and sections."""

    title: str
    headline: str
    warnings: tuple[str, ...]
    sections: tuple[Section, ...]

    @property
    def plays(self) -> bool:
        """Whether there is a player on the page."""
        return any(section.players for section in self.sections)


def render(page: Page) -> str:
    """The page as one HTML document that loads nothing from outside; every string is escaped.

    Its one script is that of the player, with no word of the page in it; by its hash the browser refuses any other.
    """
    here = resources.files(__package__)
    script = here.joinpath("player.js").read_text("utf-8")
    seal = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string(here.joinpath("template.html.j2").read_text("utf-8"))
    return template.render(page=page, script=script, seal=seal)


def write(page: Page, path: str | Path, figures_folder: str | Path | None = None) -> Path:
    """Write a page to ``path``, and its pictures as PNG files to a folder if one is given.

    The folder is made if it does not exist. Every file appears whole or not at all.

    Raises
    ------
    FileNotFoundError
        If the folder of ``path`` does not exist.
    """
    text = render(page)
    with replacing(path) as part:
        part.write_text(text, "utf-8")
    if figures_folder is not None:
        folder = Path(figures_folder)
        folder.mkdir(parents=True, exist_ok=True)
        for picture in (p for section in page.sections for p in section.pictures):
            with replacing(folder / f"{picture.name}.png") as part:
                part.write_bytes(picture.png)
    return Path(path)
