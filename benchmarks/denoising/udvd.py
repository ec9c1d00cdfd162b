"""UDVD of Sheth et al. (2021, doi:10.1109/ICCV48922.2021.00177) in PyTorch, as wide as a processor bears.

Five frames, blind to the pixel in all of them: four turned copies go through two U-Nets that see upwards only. The
layers are the paper's with a third of its channels; Gaussian likelihood with known noise, and the noisy pixel put
back. Trained as `operax.denoise.train` is, on flipped patches with a cosine schedule, by Adam.
"""

import math
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn.functional import interpolate, leaky_relu, max_pool2d, pad, softplus

WIDTH, REACH, PATCH, BATCH, RATE = 16, 2, 64, 4, 1e-3


class Above(nn.Module):
    """3×3 convolutions that see their own row and those above."""

    def __init__(self, *sizes):
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, bias=False) for a, b in pairwise(sizes))

    def forward(self, x):
        for layer in self.layers:
            x = leaky_relu(layer(pad(pad(x, (1, 1, 0, 0), mode="replicate"), (0, 0, 2, 0))), 0.1)
        return x


def lower(x):
    return pad(x, (0, 0, 1, 0))[:, :, :-1]


class Unet(nn.Module):
    def __init__(self, before, after, w=WIDTH):
        super().__init__()
        self.enter, self.middle, self.deep = Above(before, w, w, w), Above(w, w, w, w), Above(w, 2 * w, 2 * w, w)
        self.rise, self.leave = Above(*[2 * w] * 5), Above(2 * w + before, 2 * w, 2 * w, 2 * w, after)

    def forward(self, x):
        half = max_pool2d(lower(self.enter(x)), 2)
        quarter = max_pool2d(lower(self.middle(half)), 2)
        up = interpolate(self.deep(quarter), scale_factor=2)
        up = interpolate(self.rise(torch.cat([up, half], 1)), scale_factor=2)
        return self.leave(torch.cat([up, x], 1))


class Net(nn.Module):
    def __init__(self, w=WIDTH):
        super().__init__()
        between = 2 * w // 3
        self.first, self.second = Unet(3, between), Unet(3 * between, 2 * w)
        self.gather, self.narrow = nn.Conv2d(8 * w, 8 * w, 1), nn.Conv2d(8 * w, 2 * w, 1)
        self.heads = nn.Conv2d(2 * w, 2, 1)

    def forward(self, clip):
        """Mean and spread of the middle of five frames, (batch, 5, row, column)."""
        views = []
        for turns in range(4):
            turned = torch.rot90(clip, turns, (2, 3))
            firsts = torch.cat([self.first(turned[:, i : i + 3]) for i in range(3)], 1)
            views.append(torch.rot90(lower(self.second(firsts)), -turns, (2, 3)))
        said = leaky_relu(self.gather(torch.cat(views, 1)), 0.1)
        out = self.heads(leaky_relu(self.narrow(said), 0.1))
        return out[:, 0], 1e-3 + softplus(out[:, 1] - 1)


def clips(y):
    """Five frames around every frame, mirrored beyond the ends."""
    numbers = np.pad(np.arange(len(y)), REACH, mode="reflect")
    return y[np.lib.stride_tricks.sliding_window_view(numbers, 2 * REACH + 1)]


def denoised(y: np.ndarray, sigma: float, steps: int, seed: int = 0) -> np.ndarray:
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    centre, scale = float(y.mean()), float(y.std())
    frames, level = clips((y - centre) / scale).astype(np.float32), (sigma / scale) ** 2
    net = Net()
    optimiser = torch.optim.Adam(net.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda n: 0.51 + 0.49 * math.cos(math.pi * n / steps))
    for _ in range(steps):
        batch = []
        for _ in range(BATCH):
            row, column = (generator.integers(n - PATCH + 1) for n in y.shape[1:])
            clip = frames[generator.integers(len(y)), :, row : row + PATCH, column : column + PATCH]
            batch.append(clip[:: generator.choice((-1, 1)), :: generator.choice((-1, 1)), :: generator.choice((-1, 1))])
        clip = torch.from_numpy(np.stack(batch))
        mean, spread = net(clip)
        total = spread**2 + level
        loss = ((clip[:, REACH] - mean) ** 2 / total + torch.log(total)).mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    found = []
    with torch.no_grad():
        for clip in frames:
            mean, spread = net(torch.from_numpy(clip[None]))
            known = spread**2 / (spread**2 + level)
            found.append((mean + known * (torch.from_numpy(clip[None, REACH]) - mean))[0].numpy())
    return np.stack(found) * scale + centre
