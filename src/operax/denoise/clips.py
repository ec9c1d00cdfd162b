"""Which recorded frames a network is shown for each frame it estimates."""

import numpy as np


def offsets(reach: int, skip: int | None) -> tuple[int, ...]:
    """Offsets of the neighbours read: ``reach`` frames before, and as many after the ``skip`` left out.

    ``skip=None`` reads no later frame at all.
    """
    past = tuple(range(-reach, 0))
    return past if skip is None else past + tuple(range(skip + 1, skip + reach + 1))


def neighbours(count: int, wanted: tuple[int, ...]) -> np.ndarray:
    """Frame numbers of the wanted neighbours of every frame, shape ``(count, len(wanted))``.

    Beyond an end, frame t + o is replaced by its mirror t − o if that may be read, else by the nearest frame that
    may be. −1 stands for an empty slot, where a frame has no neighbour to read at all. The frame itself never
    fills a slot, which would show the network the pixel it must not see.
    """
    allowed = set(wanted)
    table = np.full((count, len(wanted)), -1)
    for t in range(count):
        there = [o for o in wanted if 0 <= t + o < count]
        for slot, o in enumerate(wanted):
            if o in there:
                table[t, slot] = t + o
            elif -o in allowed and 0 <= t - o < count:
                table[t, slot] = t - o
            elif there:
                table[t, slot] = t + min(there, key=lambda other: (abs(other - o), other))
    return table
