"""The sections of a report that say how far its bands may be believed."""

import jax

from ..inference import Calibrated, Posterior
from . import figures
from .page import Picture, Section, Table

# A corner plot of more numbers than this could not be read.
SHOWN = 6
# Fewer experiments than this make no picture of ranks.
FEWEST = 20


def numbers(posterior: Posterior) -> Section:
    """The unknown numbers against each other."""
    count = sum(leaf.size for leaf in jax.tree.leaves(posterior.best))
    caption = (
        "Posterior draws of the unknown numbers, in standard deviations of their prior (dashed). Long thin clouds are "
        "numbers that are known only together."
    )
    if count > SHOWN:
        caption += f" Of {count} numbers the {SHOWN} that the movie narrowed most."
    picture = Picture("corner", figures.png(figures.corner(posterior, most=SHOWN)), caption)
    return Section("Unknown numbers", pictures=(picture,))


def bands(posterior: Posterior, calibrated: Calibrated | None) -> Section:
    """What a band means, how it was made, and whether bands of its kind held the truth as often as they say."""
    said = [
        f"The bands come from {len(jax.tree.leaves(posterior.draws)[0])} draws of the posterior ({posterior.method}). "
        "A 95 % band is meant to hold the true law in 95 of 100 such experiments, at each composition by itself. It "
        "can do so only if the equation, the noise model and the priors are right: the checks look at the first two."
    ]
    if calibrated is None:
        said.append(
            "Whether bands of this kind hold was not measured for this movie. operax.calibrate simulates "
            "the experiment again and again with known laws, and counts."
        )
        return Section("How far to believe the bands", tuple(said))
    size = len(calibrated.ranks)
    said.append(
        f"In {size} simulated experiments like this one the bands held the truth as often as the table says; in "
        "brackets what chance allows (95 %). A band is honest where its own percentage lies between the brackets."
    )
    if calibrated.lost:
        said.append(f"{len(calibrated.lost)} more experiments gave no posterior and are not counted.")
    covered, (low, high) = 100 * calibrated.covered, 100 * calibrated.interval()
    rows = [
        (name, *(f"{covered[i, j]:.0f} % ({low[i, j]:.0f} to {high[i, j]:.0f})" for i in range(len(calibrated.levels))))
        for j, name in enumerate(calibrated.names)
    ]
    middle, low_, high_ = 100 * calibrated.pooled
    rows.append(("all together", *(f"{m:.0f} % ({a:.0f} to {b:.0f})" for m, a, b in zip(middle, low_, high_))))
    header = ("quantity", *(f"{100 * level:g} % band" for level in calibrated.levels))
    pictures: tuple[Picture, ...] = ()
    if size >= FEWEST:
        caption = (
            "Where the truth fell among the draws of each experiment. Honest bands give even bars, 19 of 20 in the "
            "grey band: a hump means too wide, high ends too narrow, a slope off to one side."
        )
        pictures = (Picture("ranks", figures.png(figures.ranks(calibrated)), caption),)
    tables = (Table(header, tuple(rows)),)
    return Section("How far to believe the bands", tuple(said), pictures=pictures, tables=tables)
