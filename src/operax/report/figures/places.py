"""A rate that differs from place to place, as maps with its error."""

import numpy as np
from jaxtyping import ArrayLike, Float
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, FigureBase

from ...domain import Domain
from .frames import draw_scale_bar, extent, plane
from .style import BLUE, GREY, WIDTH, faded, labelled, with_grey

# Bands of 95 and 68 %, and the median.
LEVELS = (0.025, 0.16, 0.5, 0.84, 0.975)
# The scale of log k ends where all but this part of the pixels lie.
BEYOND = 0.005


def rates(
    draws: Float[ArrayLike, "draw *space"],
    domain: Domain,
    figure: FigureBase | None = None,
    *,
    unit: str = "1",
    truth: Float[ArrayLike, "*space"] | None = None,
) -> FigureBase:
    """Draw the logarithm of a rate field k(x): its median with its standard deviation, and the truth if known.

    Along a line the median is drawn with its 68 and 95 % bands. Of a volume the middle plane is shown.

    Parameters
    ----------
    draws
        k(x), positive, for each draw: ``posterior(lambda e: e.rate_field())``.
    domain
        Where it lies; pixels outside the particles are grey.
    figure
        Figure or subfigure to draw in; ``None`` makes one.
    unit
        Of length.
    truth
        The true field.

    Raises
    ------
    ValueError
        If draws or truth do not have the domain's shape, or are not positive inside.
    """
    shown = {"draws": np.asarray(draws, float)} | ({} if truth is None else {"truth": np.asarray(truth, float)[None]})
    for name, values in shown.items():
        if values.shape[1:] != domain.shape or not len(values) or not (values[:, domain.inside] > 0).all():
            raise ValueError(
                f"`{name}` must hold positive rates of the domain's shape {domain.shape}, got shape {values.shape}; "
                "take e.g. `posterior(lambda e: e.rate_field())`."
            )
    logs = {name: np.log(np.where(domain.inside, values, 1.0)) for name, values in shown.items()}
    if domain.ndim == 1:
        return _line(logs, domain, figure, unit)
    maps = {"median of log k": np.median(logs["draws"], 0)}
    if truth is not None:
        maps = {"true log k": logs["truth"][0], **maps}
    spread = logs["draws"].std(0)
    inside = np.concatenate([np.abs(values[domain.inside]) for values in maps.values()])
    reach = float(np.quantile(inside, 1 - BEYOND)) or 1.0
    height, width = extent(domain)
    count = len(maps) + 1
    if figure is None:
        tall = min((WIDTH - 1.0) / count * height / width, 4.0)
        figure = Figure(figsize=(WIDTH, tall + 0.7), layout="constrained")
    panels = figure.subplots(1, count, squeeze=False)[0]
    signed = {"norm": Normalize(-reach, reach), "cmap": with_grey("RdBu_r")}
    # of one scale, and one for its error that begins at zero
    sure = {"norm": Normalize(0, float(spread[domain.inside].max()) or 1.0), "cmap": with_grey("viridis")}
    for ax, (name, values) in zip(panels, {**maps, "its standard deviation": spread}.items()):
        style = signed if name in maps else sure
        shape = plane(np.where(domain.inside, values, np.nan))
        image = ax.imshow(shape, extent=(0, width, height, 0), interpolation="nearest", **style)
        extend = "both" if name in maps and np.abs(values).max() > reach else "neither"
        figure.colorbar(image, ax=ax, orientation="horizontal", extend=extend, pad=0.08, aspect=15)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        ax.set_title(name, fontsize="medium")
    draw_scale_bar(panels[0], domain, unit)
    return figure


def _line(logs, domain: Domain, figure: FigureBase | None, unit: str) -> FigureBase:
    figure = Figure(figsize=(4.8, 3.2), layout="constrained") if figure is None else figure
    ax, x = figure.subplots(), domain.centres()[0]
    low, left, middle, right, high = np.where(domain.inside, np.quantile(logs["draws"], LEVELS, axis=0), np.nan)
    ax.fill_between(x, low, high, color=faded(BLUE, 0.2), linewidth=0, label="95 %")
    ax.fill_between(x, left, right, color=faded(BLUE, 0.45), linewidth=0, label="68 %")
    ax.plot(x, middle, color=BLUE, label="median")
    if "truth" in logs:
        ax.plot(x, np.where(domain.inside, logs["truth"][0], np.nan), color="black", linestyle="--", label="truth")
    ax.axhline(0, color=GREY, linewidth=0.8)
    ax.set(xlabel=labelled("position", unit), ylabel="log k")
    ax.legend(frameon=False, fontsize="small")
    return figure
