"""Particles in a picture: masks, labels, touching particles cut apart, labels followed through a movie."""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.ndimage import binary_fill_holes, distance_transform_edt, gaussian_filter, label
from scipy.optimize import linear_sum_assignment


def _picture(picture, name: str = "picture") -> np.ndarray:
    values = np.asarray(picture, float)
    if values.ndim != 2:
        raise ValueError(
            f"`{name}` must be one grey image, got shape {values.shape}; take the mean of a movie's frames, or one "
            "channel."
        )
    if not np.isfinite(values).all():
        raise ValueError(f"`{name}` must be finite; fill or crop the pixels that hold no number.")
    return values


def particle_mask(
    picture: Float[np.ndarray, "row column"],
    *,
    smooth: float = 1.0,
    threshold: float | None = None,
    least: int = 16,
) -> Bool[np.ndarray, "row column"]:
    """Pixels of particles that are brighter than their surroundings.

    Parameters
    ----------
    picture
        Grey image in which particles are bright: an optical density, a contrast, or minus an intensity.
    smooth
        Standard deviation of the smoothing before the threshold, in pixels.
    threshold
        Smallest value of a particle; ``None`` takes Otsu's, which parts the histogram in two.
    least
        Particles and holes of fewer pixels are left out and filled.

    Raises
    ------
    ValueError
        If the picture is not grey and finite, or no pixel lies above the threshold.

    Notes
    -----
    Otsu's threshold lies too high where particles cover only a few percent of the picture, and parts noise in
    two where they cover none.
    """
    values = gaussian_filter(_picture(picture), smooth)
    if threshold is None:
        from skimage.filters import threshold_otsu

        threshold = float(threshold_otsu(values))
    mask = values > threshold
    pieces, _ = label(mask)
    sizes = np.bincount(pieces.ravel())
    mask &= sizes[pieces] >= least
    holes, _ = label(binary_fill_holes(mask) & ~mask)
    sizes = np.bincount(holes.ravel())
    mask |= (holes > 0) & (sizes[holes] < least)
    if not mask.any():
        raise ValueError(
            f"no particle of {least} pixels rises above {threshold:.4g}; the picture spans {values.min():.4g} to "
            f"{values.max():.4g}. Lower `threshold` or `least`."
        )
    return mask


def segment(
    mask: Bool[np.ndarray, "row column"], *, smooth: float = 1.0, apart: float = 4.0, least: int = 16
) -> Int[np.ndarray, "row column"]:
    """Number the particles of a mask, and cut those apart that touch at a neck.

    Watershed of the distance to the edge, from its maxima.

    Parameters
    ----------
    mask
        From `particle_mask`.
    smooth
        Standard deviation of the smoothing of that distance, in pixels: more joins, less cuts.
    apart
        Smallest distance between the centres of two particles, in pixels.
    least
        Particles of fewer pixels are left out.

    Returns
    -------
    labels
        0 outside, 1, 2, … in the particles.

    Raises
    ------
    ValueError
        If the mask is not of two axes or is empty.

    Notes
    -----
    Works for particles that are wider than the neck between them. Flat or branched ones are cut too often: raise
    ``smooth``, or mark them by hand with `from_marks`.
    """
    from skimage.feature import peak_local_max
    from skimage.segmentation import watershed

    inside = np.asarray(mask)
    if inside.ndim != 2 or inside.dtype != bool or not inside.any():
        raise ValueError(
            f"`mask` must be a boolean image that holds a particle, got shape {inside.shape} of {inside.dtype}."
        )
    depth = gaussian_filter(distance_transform_edt(inside), smooth)
    pieces, _ = label(inside)
    peaks = peak_local_max(depth, min_distance=max(round(apart), 1), labels=pieces, exclude_border=False)
    marks = np.zeros(inside.shape, int)
    marks[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return renumbered(watershed(-depth, marks, mask=inside), least)


def from_marks(
    picture: Float[np.ndarray, "row column *channel"],
    marks: Int[np.ndarray, "row column"],
    *,
    stiffness: float = 130.0,
) -> Int[np.ndarray, "row column"]:
    """Number particles from marks drawn by hand, by random walks from every pixel.

    Parameters
    ----------
    picture
        Grey or colour image.
    marks
        A number for each mark, 0 where nothing is drawn. The highest number marks the ground between particles.
    stiffness
        How strongly walkers are held back by edges.

    Returns
    -------
    labels
        Number of the mark that a walker reaches first; 0 on the ground.

    Raises
    ------
    ValueError
        If there are fewer than two marks or shapes disagree.

    References
    ----------
    Grady (2006), doi:10.1109/TPAMI.2006.233.
    """
    from skimage.segmentation import random_walker

    drawn, values = np.asarray(marks), np.asarray(picture, float)
    numbers = np.unique(drawn[drawn > 0])
    if drawn.shape != values.shape[:2] or len(numbers) < 2:
        raise ValueError(
            f"`marks` must number at least one particle and the ground on an image of shape {values.shape[:2]}; got "
            f"{len(numbers)} numbers on {drawn.shape}."
        )
    span = max(float(np.ptp(values)), 1e-30)
    walked = random_walker(
        (values - values.min()) / span,
        drawn,
        beta=stiffness,
        mode="cg_j",
        tol=1e-6,
        channel_axis=-1 if values.ndim == 3 else None,
    )
    return np.where(walked == numbers[-1], 0, walked)


def split_by_colour(
    picture: Float[np.ndarray, "row column channel"],
    mask: Bool[np.ndarray, "row column"],
    *,
    size: int = 60,
    compactness: float = 0.1,
    contrast: float = 0.05,
    least: int = 16,
) -> Int[np.ndarray, "row column"]:
    """Number particles that touch without a neck but differ in colour: superpixels, joined where colours agree.

    Parameters
    ----------
    picture
        Colour image, such as contrast or linear RGB.
    mask
        Pixels of particles.
    size
        Pixels of a superpixel, below that of the smallest particle.
    compactness
        Weight of distance against colour.
    contrast
        Neighbours whose mean colours are closer than this are one particle.
    least
        Particles of fewer pixels are left out.

    Raises
    ------
    ValueError
        If shapes disagree.

    References
    ----------
    Achanta et al. (2012), doi:10.1109/TPAMI.2012.120 (SLIC).
    """
    from skimage.graph import cut_threshold, rag_mean_color
    from skimage.segmentation import slic

    values, inside = np.asarray(picture, float), np.asarray(mask, bool)
    if values.ndim != 3 or inside.shape != values.shape[:2] or not inside.any():
        raise ValueError(f"`picture` must be a colour image with a mask, got shapes {values.shape} and {inside.shape}.")
    count = max(int(inside.sum() / size), 1)
    parts = slic(values, count, compactness, mask=inside, channel_axis=-1, start_label=1, convert2lab=False)
    joined = cut_threshold(parts, rag_mean_color(values, parts), contrast) + 1
    pieces = np.zeros(inside.shape, int)
    for number in np.unique(joined[inside]):
        numbers, _ = label((joined == number) & inside)
        pieces = np.where(numbers > 0, numbers + pieces.max(), pieces)
    return renumbered(pieces, least)


def renumbered(labels: Int[np.ndarray, "row column"], least: int) -> Int[np.ndarray, "row column"]:
    """Labels 1, 2, … of the particles of at least so many pixels, in order of their first pixel."""
    sizes = np.bincount(labels.ravel())
    kept = np.flatnonzero(sizes >= least)
    number = np.zeros(len(sizes), int)
    number[kept[kept > 0]] = np.arange(1, (kept > 0).sum() + 1)
    return number[labels]


def _overlap(first: np.ndarray, second: np.ndarray, highest: int) -> np.ndarray:
    """Intersection over union of the labels 1 to ``highest`` of one picture with each of another."""
    a, b = first.ravel(), second.ravel()
    table = np.zeros((highest + 1, b.max() + 1))
    np.add.at(table, (a, b), 1)
    union = table.sum(1)[:, None] + table.sum(0) - table
    return (table / np.maximum(union, 1))[1:, 1:]


def track(labels: Int[np.ndarray, "time row column"], *, least: float = 0.3) -> Int[np.ndarray, "time row column"]:
    """Give a particle one number through all frames.

    Each frame's particles are matched with the last known outline of those seen before, so that the sum of
    overlaps is largest; a particle without a match gets a new number.

    Parameters
    ----------
    labels
        Labels of each frame, from `segment`.
    least
        Smallest intersection over union of the same particle in two frames.

    Raises
    ------
    ValueError
        If there is no time axis.

    Notes
    -----
    Particles that move by more than half their size between frames are lost: `register` first.
    """
    frames = np.asarray(labels)
    if frames.ndim != 3:
        raise ValueError(f"`labels` must be one image of labels a frame, got shape {frames.shape}.")
    followed = np.zeros_like(frames)
    followed[0] = frames[0]
    known, highest = frames[0].copy(), int(frames[0].max())
    for t in range(1, len(frames)):
        score = _overlap(known, frames[t], highest)
        number = np.zeros(frames[t].max() + 1, int)
        for i, j in zip(*linear_sum_assignment(-score)):
            if score[i, j] >= least:
                number[j + 1] = i + 1
        new = np.flatnonzero((number == 0) & (np.bincount(frames[t].ravel(), minlength=len(number)) > 0))
        for j in new[new > 0]:
            highest += 1
            number[j] = highest
        followed[t] = number[frames[t]]
        seen = np.unique(followed[t])
        known = np.where(np.isin(known, seen), 0, known)
        known = np.where(followed[t] > 0, followed[t], known)
    return followed


def f_score(
    labels: Int[np.ndarray, "row column"], truth: Int[np.ndarray, "row column"], *, least: float = 0.5
) -> float:
    """Harmonic mean of precision and recall of particles that overlap the true ones by ``least`` of their union.

    Parameters
    ----------
    labels, truth
        Number of the particle at every pixel, zero outside of all.
    least
        Overlap from which two particles are the same: intersection over union.

    Raises
    ------
    ValueError
        If shapes disagree.
    """
    a, b = np.asarray(labels), np.asarray(truth)
    if a.shape != b.shape:
        raise ValueError(f"`labels` and `truth` must have one shape, got {a.shape} and {b.shape}.")
    found, there = len(np.unique(a[a > 0])), len(np.unique(b[b > 0]))
    if not found or not there:
        return float(found == there)
    score = _overlap(a, b, int(a.max()))
    hits = sum(score[i, j] >= least for i, j in zip(*linear_sum_assignment(-score)))
    return 2 * float(hits) / (found + there)
