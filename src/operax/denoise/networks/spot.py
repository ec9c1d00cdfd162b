"""Networks that read other frames whole, and their own frame around a hole or not at all."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Key

from ..clips import neighbours, offsets
from .apply import heads
from .layers import Conv, Hole, activate, double, filled, halve

# Number of hole convolutions, each reaching twice as far as those before it together.
HOLES = 4
# Pixels that the context of a pixel is drawn from, to either side: three scales of 3×3 convolutions and their grid.
CONTEXT = 20
EVERYWHERE = tuple(range(9))


def _dilations(size: int | None) -> tuple[int, ...]:
    """Steps of the hole convolutions along one axis; what enters them is smeared over the footprint's size.

    Each step is longer by half a footprint than what the layers before it reach together, so that no chain of
    them leads back into the footprint.
    """
    half = 0 if size is None else size // 2
    reach, found = half, []
    for _ in range(HOLES):
        found.append(half + 1 + reach)
        reach += found[-1]
    return tuple(found)


def _smear(footprint) -> tuple[int, int]:
    """Kernel that closes the gaps between taps as long as the footprint."""
    if footprint == (1, 1):
        return 1, 1
    # Along an axis that is blind from end to end nothing is forbidden beside it.
    rows, columns = (5 if size is None else size for size in footprint)
    return rows, columns


def _taps(footprint) -> tuple[int, ...]:
    """Taps of a 3×3 kernel that leave the footprint: all but the centre, its row, or its column."""
    rows, columns = footprint
    own_row = {tap for tap in EVERYWHERE if tap // 3 == 1}
    own_column = {tap for tap in EVERYWHERE if tap % 3 == 1}
    hidden = own_row & own_column
    hidden |= own_row if columns is None else set()
    hidden |= own_column if rows is None else set()
    return tuple(tap for tap in EVERYWHERE if tap not in hidden)


class _Net(nnx.Module):
    def __init__(self, wanted, width, channels, footprint):
        near, far = width, 2 * width
        self.channels, self.footprint = channels, footprint
        # Frames next in time count most before anything is learnt.
        nearness = 1 / np.abs(np.asarray(wanted, np.float32))
        self.average = nnx.Param(nearness / nearness.sum())
        self.enter = Conv((3, 3), len(wanted) * channels + 1, near)
        self.fine = Conv((3, 3), near, near)
        self.down = Conv((3, 3), near, far)
        self.middle = Conv((3, 3), far, far)
        self.coarse = Conv((3, 3), far, far)
        self.rise = Conv((3, 3), far, far)
        self.narrow = Conv((1, 1), far, near)
        self.leave = Conv((3, 3), near, near)
        layers = 1
        if footprint is not None:
            taps, smear = _taps(footprint), _smear(footprint)
            steps = list(zip(*(_dilations(size) for size in footprint)))
            self.smear = Conv(smear, channels, near) if max(smear) > 1 else None
            seen = channels if self.smear is None else near
            self.hole1, self.hole2, self.hole3, self.hole4 = (
                Hole(taps, s, seen + (near if i else 0), near) for i, s in enumerate(steps)
            )
            self.mix1, self.mix2, self.mix3, self.mix4 = (Conv((1, 1), near, near) for _ in steps)
            layers += len(steps)
        self.gather = Conv((1, 1), near * layers, far)
        self.heads = Conv((1, 1), far, heads(channels))

    def __call__(self, clip, seen, inside):
        others, own = jnp.moveaxis(clip[:, :-1], 1, -2), clip[:, -1]
        flat = others.reshape(*others.shape[:3], -1)
        first = activate(self.fine(activate(self.enter(jnp.concatenate([flat, inside], -1)))))
        second = activate(self.middle(activate(self.down(halve(first)))))
        third = activate(self.coarse(halve(second)))
        up = activate(self.rise(double(third) + second))
        context = activate(self.leave(double(self.narrow(up)) + first))
        layers = [context]
        if self.footprint is not None:
            entering = own if self.smear is None else activate(self.smear(own))
            layers.append(activate(self.hole1(entering) + self.mix1(context)))
            for hole, mix in ((self.hole2, self.mix2), (self.hole3, self.mix3), (self.hole4, self.mix4)):
                before = jnp.concatenate([layers[-1], entering], -1)
                layers.append(activate(hole(before) + mix(context)))
        said = activate(self.gather(jnp.concatenate(layers, -1)))
        out = self.heads(said)
        mean = jnp.einsum("nrcsk,s->nrck", others, self.average[...]) + out[..., : self.channels]
        return mean[:, None], out[:, None, ..., self.channels :]


def _whole(name, value, least):
    if not isinstance(value, int) or value < least:
        raise ValueError(f"`{name}` must be a whole number of at least {least}, got {value!r}.")


def _check(network):
    for name, value, least in (("reach", network.reach, 1), ("width", network.width, 1)):
        _whole(name, value, least)
    if network.skip is not None:
        _whole("skip", network.skip, 0)


def _clips(count: int, network) -> np.ndarray:
    if count < 2 * network.reach + 1:
        raise ValueError(
            f"a network that reads {network.reach} frames on either side needs a movie of at least "
            f"{2 * network.reach + 1} frames, got {count}. Take one of smaller `reach`."
        )
    others = neighbours(count, offsets(network.reach, network.skip))
    return np.concatenate([others, np.arange(count)[:, None]], 1)


def _mirror(network) -> tuple[int, ...] | None:
    slots = len(offsets(network.reach, network.skip))
    return None if network.skip != 0 else (*range(slots - 1, -1, -1), slots)


def _build(network, channels, footprint, key):
    graph, state = nnx.split(_Net(offsets(network.reach, network.skip), network.width, channels, footprint))
    weights = filled(nnx.to_pure_dict(state), key)
    # Starts as the mean of the other frames, the nearest counting most.
    weights["heads"]["kernel"] = jnp.zeros_like(weights["heads"]["kernel"])
    return graph, weights


class BlindSpot(eqx.Module):
    """A network that never sees the pixel it predicts: neighbouring frames whole, its own around a hole.

    Other frames go through a small U-Net; the frame itself goes through dilated 3×3 convolutions without a
    centre tap. Two heads give the mean and the spread of the clean value. No normalisation layer and no dropout:
    both would let a pixel reach itself, or change silently under compilation.

    Parameters
    ----------
    reach
        Number of frames read on either side. More frames average more noise away if the movie changes slowly.
    width
        Number of channels at full resolution; twice as many below. Cost grows with its square.
    footprint
        Rows and columns of the blind rectangle around the pixel in its own frame, odd; ``None`` stands for all
        of them, so that ``(1, None)`` is blind to the pixel's whole row. `operax.denoise.choose` measures what
        a movie needs.
    skip
        Number of following frames that are never read: an estimate of frame t with ``skip=w`` has not seen
        frames t+1 … t+w and may start a fit judged on them. ``None`` reads no following frame at all.

    Raises
    ------
    ValueError
        If a size is out of range, or the footprint is the whole frame.

    Notes
    -----
    Blind to the footprint in one frame: correct only for noise that is independent beyond it and between
    frames. Noise correlated beyond the footprint is predicted from its neighbours and comes out as signal.

    References
    ----------
    Neighbour branch and hole convolutions: Eom et al. (2023), doi:10.1038/s41592-023-02005-8. Mean and spread
    heads, with the noisy pixel put back: Laine, Karras, Lehtinen, Aila (2019), arXiv:1901.10277.
    """

    reach: int = eqx.field(static=True, default=5)
    width: int = eqx.field(static=True, default=16)
    footprint: tuple[int | None, int | None] = eqx.field(static=True, default=(1, 1))
    skip: int | None = eqx.field(static=True, default=0)

    def __check_init__(self):
        _check(self)
        sizes = self.footprint
        good = isinstance(sizes, tuple) and len(sizes) == 2 and sizes != (None, None)
        if not good or not all(n is None or (isinstance(n, int) and n >= 1 and n % 2 == 1) for n in sizes):
            raise ValueError(
                f"`footprint` must be two odd numbers of pixels (rows, columns), one of them perhaps None for all, "
                f"got {sizes!r}. A network blind to the whole frame is `FrameBlind`."
            )

    @property
    def reads(self) -> tuple[int, ...]:
        """Offsets of the frames that go into one frame."""
        return tuple(sorted((0, *offsets(self.reach, self.skip))))

    @property
    def targets(self) -> tuple[int, ...]:
        """Which frames of a clip are estimated."""
        return (len(offsets(self.reach, self.skip)),)

    @property
    def mirror(self) -> tuple[int, ...] | None:
        """Order of a clip's frames with time reversed; ``None`` if past and future are not read alike."""
        return _mirror(self)

    @property
    def halo(self) -> int:
        """Pixels to every side that go into one pixel, at most."""
        return CONTEXT + max(n // 2 + sum(_dilations(n)) for n in _smear(self.footprint))

    def clips(self, count: int) -> np.ndarray:
        """Frame numbers of the clip for every frame of a movie; −1 for an empty slot."""
        return _clips(count, self)

    def build(self, channels: int = 1, *, key: Key[Array, ""]) -> tuple[nnx.GraphDef, dict]:
        """A static graph definition, equal for every key, and a nested dict of fresh float32 weights."""
        return _build(self, channels, self.footprint, key)


class FrameBlind(eqx.Module):
    """A network that predicts a frame from other frames only.

    Exact whatever the noise of a frame looks like, as long as it is fresh in every frame: rows, stripes, blur
    and flicker cannot be predicted. It also gives states that have not seen the frame they are judged against.

    Parameters
    ----------
    reach, width, skip
        As for `BlindSpot`.

    Raises
    ------
    ValueError
        If a size is out of range.

    Notes
    -----
    What is seen in one frame only, such as a flash, cannot be predicted and is lost.
    """

    reach: int = eqx.field(static=True, default=5)
    width: int = eqx.field(static=True, default=16)
    skip: int | None = eqx.field(static=True, default=0)

    def __check_init__(self):
        _check(self)

    @property
    def reads(self) -> tuple[int, ...]:
        """Offsets of the frames that go into one frame."""
        return offsets(self.reach, self.skip)

    @property
    def footprint(self) -> tuple[None, None]:
        """Blind to all rows and all columns."""
        return (None, None)

    @property
    def targets(self) -> tuple[int, ...]:
        """Which frames of a clip are estimated."""
        return (len(self.reads),)

    @property
    def mirror(self) -> tuple[int, ...] | None:
        """Order of a clip's frames with time reversed; ``None`` if past and future are not read alike."""
        return _mirror(self)

    @property
    def halo(self) -> int:
        """Pixels to every side that go into one pixel, at most."""
        return CONTEXT

    def clips(self, count: int) -> np.ndarray:
        """Frame numbers of the clip for every frame of a movie; −1 for an empty slot."""
        return _clips(count, self)

    def build(self, channels: int = 1, *, key: Key[Array, ""]) -> tuple[nnx.GraphDef, dict]:
        """A static graph definition, equal for every key, and a nested dict of fresh float32 weights."""
        return _build(self, channels, None, key)
