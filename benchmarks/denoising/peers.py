"""Denoisers of other authors on one movie; run by ../denoise.py in an interpreter that has them.

``python peers.py NAME IN.npz OUT.npz``: IN holds ``noisy`` (time, row, column), ``sigma``, ``gain`` (units per
count, 0 where noise is not counting noise) and ``steps`` for those that train; OUT gets ``frames`` and ``seconds``.
CONTRIBUTING.md says how to install them. None is a dependency.
"""

import sys
import tempfile
import time

import numpy as np


def bm4d_white(y, sigma, gain, steps):
    import bm4d

    return bm4d.bm4d(y.astype(float), sigma)


def bm4d_spectrum(y, sigma, gain, steps):
    """BM4D with the noise spectrum measured on second temporal differences."""
    import bm4d

    if not hasattr(np, "trapz"):
        # bm4d 4.2.5 calls a name that NumPy 2.4 dropped.
        setattr(np, "trapz", np.trapezoid)  # noqa: B010
    e = (y[:-2] - 2 * y[1:-1] + y[2:]) / np.sqrt(6.0)
    e = e - e.mean((1, 2), keepdims=True)
    power = np.mean(np.abs(np.fft.fft2(e)) ** 2, axis=0)
    # Motion leaks in at low frequencies.
    power = np.minimum(power, 50 * np.median(power))
    spectrum = np.broadcast_to(power, y.shape) * len(y)
    return bm4d.bm4d(y.astype(float), np.ascontiguousarray(spectrum, dtype=float))


def bm4d_anscombe(y, sigma, gain, steps):
    import bm4d

    counts = np.clip(y / gain, 0, None).astype(float)
    d = np.maximum(bm4d.bm4d(2 * np.sqrt(counts + 0.375), 1.0), 2 * np.sqrt(0.375))
    root = np.sqrt(1.5)
    x = d**2 / 4 + root / (4 * d) - 11 / (8 * d**2) + 5 * root / (8 * d**3) - 1 / 8
    return np.maximum(x, 0) * gain


def bmnd_poisson(y, sigma, gain, steps):
    import bmnd

    profile = bmnd.BM4DProfile(noise_model=bmnd.NoiseModel.POISSON)
    return bmnd.bmnd(np.clip(np.rint(y / gain), 0, None).astype(np.float32), profile) * gain


def mppca(y, sigma, gain, steps):
    from dipy.denoise.localpca import mppca as run

    x = np.ascontiguousarray(np.moveaxis(y, 0, -1)[:, :, None, :]).astype(float)
    low = x.min()
    return np.moveaxis((run(x - low + 1e-3, patch_radius=[4, 4, 0]) + low - 1e-3)[:, :, 0, :], -1, 0)


def tv(y, sigma, gain, steps):
    from skimage.restoration import denoise_tv_chambolle

    return denoise_tv_chambolle(y, weight=sigma, max_num_iter=200)


def nlm(y, sigma, gain, steps):
    from skimage.restoration import denoise_nl_means

    return denoise_nl_means(y, patch_size=3, patch_distance=4, h=0.8 * sigma, sigma=sigma, fast_mode=True)


def n2v(y, sigma, gain, steps, volume=False, **how):
    """CAREamics Noise2Void and its kin, on frames as samples or on the movie as a volume; 500 steps at least."""
    import logging

    from careamics import CAREamist
    from careamics.config.factories import create_advanced_n2v_config

    for logger in ("lightning", "lightning.pytorch", "pytorch_lightning", "careamics"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    side = 64 if min(y.shape[1:]) >= 128 else 32
    size, batch = ([16, side, side], 4) if volume else ([side, side], 16)
    patches = len(y) * (y.shape[1] // side) * (y.shape[2] // side) // (16 if volume else 1)
    config = create_advanced_n2v_config(
        experiment_name="peer",
        data_type="array",
        axes="ZYX" if volume else "SYX",
        patch_size=size,
        batch_size=batch,
        num_epochs=max(1, -(-max(steps, 500) // max(1, (patches - 1) // batch))),
        n_val_patches=1,
        num_workers=0,
        seed=1,
        trainer_params={"accelerator": "cpu", "enable_model_summary": False},
        **how,
    )
    overlap = (4, 16, 16) if volume else (16, 16)
    with tempfile.TemporaryDirectory() as folder:
        model = CAREamist(config, work_dir=folder, enable_progress_bar=False)
        model.train(train_data=y.astype(np.float32))
        out, _ = model.predict(y.astype(np.float32), batch_size=1, tile_size=tuple(size), tile_overlap=overlap)
    frames = np.asarray(out[0]) if len(out) == 1 else np.stack([np.squeeze(x) for x in out])
    return frames.reshape(y.shape)


def n2v2(*given):
    return n2v(*given, use_n2v2=True)


def n2v_volume(*given):
    return n2v(*given, volume=True)


def n2v_rows(*given):
    return n2v(*given, struct_n2v_axes="horizontal", struct_n2v_span=5)


def n2v_autoden(y, sigma, gain, steps):
    """auto-denoise's Noise2Void, frames as samples; its epoch is one pass over them, four at a time."""
    import autoden

    network = autoden.NetworkParamsUNet(n_features=16, n_levels=3)
    denoiser = autoden.N2V(model=network, verbose=False, batch_size=4)
    data, tested = denoiser.prepare_data(y.astype(np.float32))
    denoiser.train(data, tested, epochs=max(1, max(steps, 500) * 4 // len(y)))
    return np.squeeze(denoiser.infer(data))


def udvd(y, sigma, gain, steps):
    import udvd as network

    return network.denoised(y, sigma, steps)


def support(y, sigma, gain, steps):
    import support as network

    return network.denoised(y, steps)


PEERS = {
    "BM4D": bm4d_white,
    "BM4D, spectrum": bm4d_spectrum,
    "BM4D, Anscombe": bm4d_anscombe,
    "BMND, Poisson": bmnd_poisson,
    "MP-PCA (dipy)": mppca,
    "TV (scikit-image)": tv,
    "NLM (scikit-image)": nlm,
    "Noise2Void (CAREamics)": n2v,
    "Noise2Void, volume (CAREamics)": n2v_volume,
    "N2V2 (CAREamics)": n2v2,
    "structN2V, rows (CAREamics)": n2v_rows,
    "N2V (auto-denoise)": n2v_autoden,
    "UDVD, width 16 (PyTorch)": udvd,
    "SUPPORT, width 16 (PyTorch)": support,
}


def main() -> None:
    name, source, target = sys.argv[1:]
    with np.load(source, allow_pickle=False) as file:
        y, sigma, gain, steps = file["noisy"], float(file["sigma"]), float(file["gain"]), int(file["steps"])
    start = time.perf_counter()
    frames = PEERS[name](y, sigma, gain, steps)
    seconds = time.perf_counter() - start
    np.savez(target, frames=np.asarray(frames, np.float32), seconds=seconds)


if __name__ == "__main__":
    main()
