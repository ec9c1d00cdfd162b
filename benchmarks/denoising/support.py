"""SUPPORT of Eom et al. (2023, doi:10.1038/s41592-023-02005-8) in PyTorch, as wide and as far in time as a CPU bears.

The frames around one go through a plain U-Net, the frame itself through convolutions without their centre; blind to
the pixel in its own frame. The layers are the paper's with 16 channels where it has 64, ten frames to either side
where it has thirty, and as many optimiser steps as the others. Ends are mirrored, since the movie is short.
"""

from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn.functional import interpolate, max_pool2d, pad, relu

WIDTH, REACH, PATCH, BATCH, RATE = 16, 10, 64, 4, 5e-4


class Around(nn.Module):
    """U-Net of one 3×3 convolution a level."""

    def __init__(self, before, w=WIDTH):
        super().__init__()
        sizes = [w * 2**i for i in range(5)]
        self.down = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in zip([before, *sizes], sizes))
        self.up = nn.ModuleList(nn.Conv2d(a + b, b, 3, padding=1) for a, b in zip(sizes[:0:-1], sizes[-2::-1]))
        self.leave = nn.Sequential(nn.Conv2d(w, 32, 1), nn.ReLU(), nn.Conv2d(32, 16, 1))

    def forward(self, x):
        kept = []
        for number, layer in enumerate(self.down):
            x = relu(layer(max_pool2d(x, 2) if number else x))
            kept.append(x)
        for layer, beside in zip(self.up, kept[-2::-1]):
            x = relu(layer(torch.cat([interpolate(x, scale_factor=2), beside], 1)))
        return self.leave(x)


class Holes(nn.Module):
    """Dilated convolutions without their centre, each reaching further than all before it."""

    def __init__(self, size, dilations, w=WIDTH):
        super().__init__()
        reach = [d * (size // 2) for d in dilations]
        self.layers = nn.ModuleList(
            nn.Conv2d(w if n else 1, w, size, padding=r, dilation=d) for n, (d, r) in enumerate(zip(dilations, reach))
        )
        self.own = nn.ParameterList(torch.zeros(w, 1, 1) for _ in dilations)
        self.mix = nn.Conv2d(16, w, size, padding=size // 2)
        mask = torch.ones(size, size)
        mask[size // 2, size // 2] = 0
        self.register_buffer("mask", mask)

    def forward(self, frame, around):
        x, found = frame, []
        for number, (layer, own) in enumerate(zip(self.layers, self.own)):
            # what is added of the frame itself is seen through the next hole only
            seen = x if number == 0 else x + own * frame
            x = nn.functional.conv2d(seen, layer.weight * self.mask, layer.bias, 1, layer.padding, layer.dilation)
            x = relu(x + self.mix(around)) if number == 0 else relu(x)
            found.append(x)
        return torch.cat(found, 1)


class Net(nn.Module):
    def __init__(self, w=WIDTH):
        super().__init__()
        self.around = Around(2 * REACH)
        self.holes = nn.ModuleList([Holes(3, (1, 2, 4, 8, 16)), Holes(5, (1, 3, 9))])
        sizes = [16 + 8 * w, 64, 32, 16]
        layers = [part for a, b in pairwise(sizes) for part in (nn.Conv2d(a, b, 1), nn.ReLU())]
        self.leave = nn.Sequential(*layers, nn.Conv2d(16, 1, 1))

    def forward(self, clip):
        frame = clip[:, REACH : REACH + 1]
        around = self.around(torch.cat([clip[:, :REACH], clip[:, REACH + 1 :]], 1))
        return self.leave(torch.cat([around, *(holes(frame, around) for holes in self.holes)], 1))


def denoised(y: np.ndarray, steps: int, seed: int = 0) -> np.ndarray:
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    centre, scale = float(y.mean()), float(y.std())
    numbers = np.pad(np.arange(len(y)), REACH, mode="reflect")
    normal = ((y - centre) / scale).astype(np.float32)
    frames = normal[np.lib.stride_tricks.sliding_window_view(numbers, 2 * REACH + 1)]
    net = Net()
    # pooled four times
    height, width = (min(PATCH, n - n % 16) for n in y.shape[1:])
    optimiser = torch.optim.Adam(net.parameters(), RATE)
    for _ in range(steps):
        batch = []
        for _ in range(BATCH):
            row, column = generator.integers(y.shape[1] - height + 1), generator.integers(y.shape[2] - width + 1)
            clip = frames[generator.integers(len(y)), :, row : row + height, column : column + width]
            batch.append(clip[:, :: generator.choice((-1, 1)), :: generator.choice((-1, 1))])
        clip = torch.from_numpy(np.stack(batch))
        error = net(clip) - clip[:, REACH : REACH + 1]
        loss = (error.abs().mean() + error.square().mean()) / 2
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    border = [(0, -n % 16) for n in y.shape[1:]]
    with torch.no_grad():
        sides = (0, border[1][1], 0, border[0][1])
        found = [net(pad(torch.from_numpy(clip[None]), sides, mode="replicate")) for clip in frames]
    rows, columns = y.shape[1:]
    return np.stack([x[0, 0, :rows, :columns].numpy() for x in found]) * scale + centre
