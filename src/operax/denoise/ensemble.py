"""Several trainings on one movie, averaged."""

import equinox as eqx
from jaxtyping import Array

from ..movie import Movie
from ..noise import Gaussian, PoissonGaussian
from .denoiser import Denoiser, Network, believed, blind_moments, completed, finished, restored_reads


class Ensemble(eqx.Module):
    """The mean of several denoisers trained on one movie with different keys; `ensemble(movie)` gives a `Movie`.

    What a network makes of its first weights and of the order of its patches differs from training to training,
    and averages out: ``Ensemble(tuple(train(movie, noise, key=k) for k in jax.random.split(key, 3)))``.

    Parameters
    ----------
    members
        From `train`, on one movie and with one network.

    Raises
    ------
    ValueError
        If there is no member, or their networks differ.

    Notes
    -----
    Noise that all members learnt by heart does not average out. The variance, and the shares of filtered values, are
    a member's own: a little too large for their mean.
    """

    members: tuple[Denoiser, ...] = eqx.field(converter=tuple)

    def __check_init__(self):
        kinds = {member.network for member in self.members}
        if len(kinds) != 1:
            raise ValueError(
                f"`members` must be denoisers of one network, got {len(self.members)} of {len(kinds)} networks. "
                "Train them with the same `network=`."
            )

    @property
    def network(self) -> Network:
        """The network of every member."""
        return self.members[0].network

    @property
    def noise(self) -> Gaussian | PoissonGaussian:
        """The noise model of the first member."""
        return self.members[0].noise

    @property
    def posterior(self) -> bool:
        """Whether noisy values are put back: only if every member would."""
        return all(member.posterior for member in self.members)

    @property
    def reads(self) -> tuple[int, ...]:
        """Offsets of the recorded frames that go into one clean frame."""
        return restored_reads(self.network) if self.posterior else self.network.reads

    def blind(self, movie: Movie) -> Movie:
        """The clean movie predicted without the pixel itself, averaged over the members."""
        first = self.members[0]
        return finished(first, movie, *believed(first, movie, *self._moments(movie)), self.network.reads)

    def __call__(self, movie: Movie) -> Movie:
        """Denoise a movie; see `Denoiser`."""
        if not self.posterior:
            return self.blind(movie)
        first = eqx.tree_at(lambda member: member.gain.offset, self.members[0], self._offset())
        return finished(first, movie, *completed(first, movie, *self._moments(movie)), self.reads)

    def _offset(self) -> Array:
        """What the mean of all members is off by, in the first one's units."""
        off = [member.gain.offset * member.scale for member in self.members]
        return sum(off[1:], off[0]) / (len(off) * self.members[0].scale)

    def _moments(self, movie: Movie) -> tuple[Array, Array]:
        """Mean and variance in the first member's units."""
        first = self.members[0]
        means, variances = [], []
        for member in self.members:
            mean, variance = blind_moments(member, movie)
            ratio = member.scale / first.scale
            means.append(mean * ratio + (member.centre - first.centre) / first.scale)
            variances.append(variance * ratio**2)
        count = len(self.members)
        return sum(means[1:], means[0]) / count, sum(variances[1:], variances[0]) / count
