"""UDVD: five frames, each seen from four half-planes that stop short of the pixel."""

from itertools import pairwise

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Key

from .apply import heads
from .layers import Above, Conv, activate, double, filled, lower

# Frames read on either side.
REACH = 2


def _shrink(x):
    """Largest of 2×2 pixels, moved down a row first so that no row below its own enters."""
    n, rows, columns, c = x.shape
    return lower(x, 1).reshape(n, rows // 2, 2, columns // 2, 2, c).max((2, 4))


class _Unet(nnx.Module):
    """A U-Net without biases that sees the pixel's row and the rows above."""

    def __init__(self, before, width, after):
        w = width
        for name, sizes in (
            ("enter", (before, w, w, w)),
            ("middle", (w, w, w, w)),
            ("deep", (w, 2 * w, 2 * w, w)),
            ("rise", (2 * w, 2 * w, 2 * w, 2 * w, 2 * w)),
            ("leave", (2 * w + before, 2 * w, 2 * w, 2 * w, after)),
        ):
            for i, (a, b) in enumerate(pairwise(sizes)):
                setattr(self, f"{name}{i}", Above(a, b))

    def _run(self, x, *names):
        for name in names:
            x = activate(getattr(self, name)(x))
        return x

    def __call__(self, x):
        half = _shrink(self._run(x, "enter0", "enter1", "enter2"))
        quarter = _shrink(self._run(half, "middle0", "middle1", "middle2"))
        up = double(self._run(quarter, "deep0", "deep1", "deep2"))
        up = double(self._run(jnp.concatenate([up, half], -1), "rise0", "rise1", "rise2", "rise3"))
        return self._run(jnp.concatenate([up, x], -1), "leave0", "leave1", "leave2", "leave3")


class _Net(nnx.Module):
    def __init__(self, width, channels, gap):
        self.channels, self.gap = channels, gap
        between = max(1, 2 * width // 3)
        self.first = _Unet(3 * channels, width, between)
        self.second = _Unet(3 * between, width, 2 * width)
        self.gather = Conv((1, 1), 8 * width, 8 * width)
        self.narrow = Conv((1, 1), 8 * width, 2 * width)
        self.heads = Conv((1, 1), 2 * width, heads(channels))

    def _half_plane(self, frames):
        """Features of every middle frame from the rows above each pixel, the first stage run once a triplet."""
        batch, count, rows, columns, channels = frames.shape
        triplets = jnp.concatenate([frames[:, i : count - 2 + i] for i in range(3)], -1)
        firsts = self.first(triplets.reshape(-1, rows, columns, 3 * channels))
        firsts = firsts.reshape(batch, count - 2, rows, columns, -1)
        three = jnp.concatenate([firsts[:, i : count - 4 + i] for i in range(3)], -1)
        seconds = self.second(three.reshape(-1, rows, columns, three.shape[-1]))
        return lower(seconds, self.gap).reshape(batch, count - 4, rows, columns, -1)

    def __call__(self, clip, seen, inside):
        views = []
        for turned in (clip, clip.swapaxes(2, 3)):
            both = self._half_plane(jnp.concatenate([turned, turned[:, :, ::-1]]))
            up, down = jnp.split(both, 2)
            views += [view if turned is clip else view.swapaxes(2, 3) for view in (up, down[:, :, ::-1])]
        said = activate(self.gather(jnp.concatenate(views, -1)))
        out = self.heads(activate(self.narrow(said)))
        return out[..., : self.channels], out[..., self.channels :]


class UDVD(eqx.Module):
    """The video denoiser of Sheth et al.: blind to the pixel in all five frames it reads.

    Four copies of the frames, one for each side, go through two U-Nets whose view ends at the pixel's own row;
    a last shift opens the gap. Two heads give mean and covariance, so that the noisy pixel can be put back.

    Parameters
    ----------
    width
        Number of channels; 48 is the paper's, 16 is bearable on a CPU. Cost grows with its square.
    footprint
        Rows and columns of the blind square, odd and equal; the paper's is one pixel.
    together
        Consecutive frames estimated together; the first U-Net then runs once for each triplet of frames instead
        of three times.

    Raises
    ------
    ValueError
        If a size is out of range.

    Notes
    -----
    Being blind to the pixel in all frames, it loses the best predictor where the camera is fixed and the movie
    slow: `BlindSpot` reads the pixel one frame earlier. Differs from the paper's code by transposing instead of
    rotating, so that pictures need not be square, and by heads without a final ReLU, which clips at zero.

    References
    ----------
    Sheth et al. (2021), doi:10.1109/ICCV48922.2021.00177.
    """

    width: int = eqx.field(static=True, default=16)
    footprint: tuple[int, int] = eqx.field(static=True, default=(1, 1))
    together: int = eqx.field(static=True, default=1)

    def __check_init__(self):
        for name in ("width", "together"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"`{name}` must be a whole number of at least 1, got {value!r}.")
        rows, columns = self.footprint
        if not isinstance(rows, int) or rows != columns or rows < 1 or rows % 2 == 0:
            raise ValueError(f"`footprint` must be two equal odd numbers of pixels, got {self.footprint!r}.")

    @property
    def reads(self) -> tuple[int, ...]:
        """Offsets of the frames that go into one frame."""
        return tuple(range(-REACH, REACH + 1))

    @property
    def targets(self) -> tuple[int, ...]:
        """Which frames of a clip are estimated."""
        return tuple(range(REACH, REACH + self.together))

    @property
    def mirror(self) -> tuple[int, ...]:
        """Order of a clip's frames with time reversed."""
        return tuple(range(2 * REACH + self.together - 1, -1, -1))

    @property
    def halo(self) -> int:
        """Pixels to every side that go into one pixel, at most."""
        return HALO + self.footprint[0] // 2

    def clips(self, count: int) -> np.ndarray:
        """Frame numbers of the clip for every run of frames of a movie.

        Beyond an end frames are mirrored: the pixel is hidden in all of them.
        """
        if count < max(2 * REACH + 1, self.together):
            raise ValueError(
                f"UDVD reads {REACH} frames on either side and estimates {self.together} together: it needs a "
                f"movie of at least {max(2 * REACH + 1, self.together)} frames, got {count}."
            )
        first = np.arange(count - self.together + 1)[:, None]
        wanted = np.abs(first + np.arange(-REACH, self.together + REACH))
        return np.where(wanted >= count, 2 * (count - 1) - wanted, wanted)

    def build(self, channels: int = 1, *, key: Key[Array, ""]) -> tuple[nnx.GraphDef, dict]:
        """A static graph definition, equal for every key, and a nested dict of fresh float32 weights."""
        graph, state = nnx.split(_Net(self.width, channels, self.footprint[0] // 2 + 1))
        return graph, filled(nnx.to_pure_dict(state), key)


# Found by following derivatives: two U-Nets of four 3×3 convolutions at the deepest of three scales each.
HALO = 152
