"""The default network of operax in PyTorch, one optimiser step at a time: the yardstick of ../denoise_speed.py.

``python network.py REACH WIDTH BATCH PATCH STEPS`` prints the milliseconds of each step as JSON.
"""

import json
import sys
import time

import torch
from torch import nn
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu, softplus


def act(x):
    return leaky_relu(x, 0.1)


class Hole(nn.Module):
    """Dilated 3×3 convolution without its centre tap."""

    def __init__(self, before, width, dilation):
        super().__init__()
        self.conv = nn.Conv2d(before, width, 3, padding=dilation, dilation=dilation, bias=False)
        self.mix = nn.Conv2d(width, width, 1)
        mask = torch.ones(3, 3)
        mask[1, 1] = 0
        self.register_buffer("mask", mask)

    def forward(self, x, context):
        c = self.conv
        found = nn.functional.conv2d(x, c.weight * self.mask, None, 1, c.padding, c.dilation)
        return act(found + self.mix(context))


class Net(nn.Module):
    def __init__(self, reach, width):
        super().__init__()
        near, far = width, 2 * width
        self.average = nn.Parameter(torch.full((2 * reach,), 0.5 / reach))
        self.enter = nn.Conv2d(2 * reach + 1, near, 3, padding=1)
        self.fine = nn.Conv2d(near, near, 3, padding=1)
        self.down = nn.Conv2d(near, far, 3, padding=1)
        self.middle, self.coarse, self.rise = (nn.Conv2d(far, far, 3, padding=1) for _ in range(3))
        self.narrow = nn.Conv2d(far, near, 1)
        self.leave = nn.Conv2d(near, near, 3, padding=1)
        self.holes = nn.ModuleList(Hole(1 if d == 1 else 1 + near, near, d) for d in (1, 2, 4, 8))
        self.gather = nn.Conv2d(5 * near, far, 1)
        self.heads = nn.Conv2d(far, 2, 1)

    def forward(self, others, own, inside):
        first = act(self.fine(act(self.enter(torch.cat([others, inside], 1)))))
        second = act(self.middle(act(self.down(avg_pool2d(first, 2)))))
        third = act(self.coarse(avg_pool2d(second, 2)))
        up = act(self.rise(interpolate(third, scale_factor=2) + second))
        context = act(self.leave(interpolate(self.narrow(up), scale_factor=2) + first))
        layers, before = [context], own
        for hole in self.holes:
            layers.append(hole(before, context))
            before = torch.cat([layers[-1], own], 1)
        out = self.heads(act(self.gather(torch.cat(layers, 1))))
        mean = (others * self.average[:, None, None]).sum(1) + out[:, 0]
        return mean, 1e-3 + softplus(out[:, 1] - 1)


def main() -> None:
    reach, width, batch, patch, steps = map(int, sys.argv[1:])
    torch.set_num_threads(torch.get_num_threads())
    net = Net(reach, width).to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(net.parameters(), 1e-3)
    movie = torch.randn(32, 96, 96)
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        corner = torch.randint(0, 97 - patch, (batch, 2)).tolist()
        clip = torch.stack([movie[: 2 * reach + 1, r : r + patch, c : c + patch] for r, c in corner])
        own = clip[:, reach : reach + 1]
        others = torch.cat([clip[:, :reach], clip[:, reach + 1 :]], 1).to(memory_format=torch.channels_last)
        mean, spread = net(others, own, torch.ones_like(own))
        total = spread**2 + 0.04
        loss = ((own[:, 0] - mean) ** 2 / total + torch.log(total)).mean() / 2
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        times.append(1e3 * (time.perf_counter() - start))
    print(json.dumps(times))


if __name__ == "__main__":
    main()
