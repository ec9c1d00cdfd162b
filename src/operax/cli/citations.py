"""What to cite for the methods that a run used."""

from collections.abc import Iterator
from importlib import metadata

SOFTWARE = "The operax developers (2026). operax {version}: physical laws with error bars from noisy movies."
ALWAYS = (
    "Degnan-Morgenstern, Cohen, Gopal, Gober, Nelson, Bai, Bazant (2025). arXiv:2510.27667 (denoising).",
    "Bradbury et al. (2018). JAX: composable transformations of Python+NumPy programs. github.com/jax-ml/jax.",
    "Kidger, Garcia (2021). Equinox. arXiv:2111.00254.",
)
NOISE = "Foi, Trimeche, Katkovnik, Egiazarian (2008). doi:10.1109/TIP.2008.2001399 (noise model)."
METHODS = {
    "blindspot": (
        "Laine, Karras, Lehtinen, Aila (2019). arXiv:1901.10277 (blind-spot networks).",
        "Batson, Royer (2019). arXiv:1901.11365 (self-supervision).",
        "Heek et al. (2020). Flax. github.com/google/flax.",
        "DeepMind (2020). Optax. github.com/google-deepmind/optax.",
    ),
    "low-rank": ("Gavish, Donoho (2014). doi:10.1109/TIT.2014.2323359 (singular values above noise).",),
    "temporal-mean": (),
    "cahn-hilliard": ("Cahn, Hilliard (1958). J. Chem. Phys. doi:10.1063/1.1744102.",),
    "allen-cahn": ("Allen, Cahn (1979). Acta Metall. doi:10.1016/0001-6160(79)90196-2.",),
    "diffusion": (),
    "fit": (
        "Kidger (2021). On neural differential equations. arXiv:2202.02435 (diffrax).",
        "Cox, Matthews (2002). J. Comput. Phys. doi:10.1006/jcph.2002.6995 (exponential time differencing).",
    ),
    "neutron": ("Sears (1992). Neutron News. doi:10.1080/10448639208218770 (cross-sections).",),
    "stxm": (),
    "optical": (),
}


def cited(config=None) -> list[str]:
    """References, software first; of all methods, or of those that a config asks for.

    Parameters
    ----------
    config
        A `config.Config`, or ``None``.
    """
    names = METHODS if config is None else _used(config)
    found = [SOFTWARE.format(version=metadata.version("operax")), *ALWAYS, NOISE]
    return [*found, *dict.fromkeys(line for name in names for line in METHODS[name])]


def _used(config) -> Iterator[str]:
    if config.denoise is not None:
        yield config.denoise.method
    if config.fit is not None:
        yield from (config.fit.equation, "fit")
    yield from (name for name in ("stxm", "neutron", "optical") if getattr(config, name) is not None)
