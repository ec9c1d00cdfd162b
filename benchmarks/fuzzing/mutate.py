"""Mutations: bytes of a file, words of a line, values of a config. All of them follow from one random generator."""

import numpy as np

# Numbers that headers are afraid of, little and big endian alike.
EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)
# Words that options and configs are afraid of.
HOSTILE = (
    *("", " ", "-1", "0", "1", "2", "3.5", "nan", "inf", "-inf", "1e300", "-1e300", "1e-300", "1e999", "0x10"),
    *("999999999999999999999999", "-0", "1,2", "1,,2", ",", "0,0", "5,2", "2,5", "0,1e9", "true", "null", "{}", "[]"),
    *("{value=1}", "{value=1, factor=2}", "{value=-1, factor=2}", "{value=1, factor=1}", "{mean=0, std=1}", "[[["),
    *('{law="degenerate", scale=1}', '{law="nonsense"}', '{law="exp-spline", value=1, factor=2, knots=2}', '"', "'"),
    *("µ", "\u202e", "\x00", "\x1b[31m", "a" * 5000, "../../../etc/passwd", "/dev/null", ".", "/", "~", "movie.h5"),
    *("nowhere/movie.h5", "%s%n", "$(true)", "[bold]x[/bold]", "{{ 7 * 7 }}", "<script>", "\N{PILE OF POO}", "\ud800"),
)


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """A file with one to four places changed: bits, numbers, parts cut out, doubled, moved, or the end cut off."""
    out = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        if not out:
            break
        at, kind = place(len(out), rng), rng.integers(8)
        if kind == 0:
            out[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            out[at] = int(rng.integers(256))
        elif kind == 2:
            size = int(rng.choice([1, 2, 4, 8]))
            number = EDGES[rng.integers(len(EDGES))] % 256**size
            out[at : at + size] = number.to_bytes(size, str(rng.choice(["little", "big"])))
        elif kind == 3:
            del out[at : at + int(rng.integers(1, 64))]
        elif kind == 4:
            out[at:at] = rng.bytes(int(rng.integers(1, 32)))
        elif kind == 5:
            out[at:at] = out[at : at + int(rng.integers(1, 256))]
        elif kind == 6:
            size = int(rng.integers(1, 64))
            out[at : at + size] = bytes(min(size, len(out) - at))
        else:
            del out[at:]
    return bytes(out)


def place(size: int, rng: np.random.Generator) -> int:
    """A place in a file; half of them in the first or last half kilobyte, where headers stand."""
    where = rng.integers(4)
    if where == 0:
        return int(rng.integers(min(size, 512)))
    if where == 1:
        return size - 1 - int(rng.integers(min(size, 512)))
    return int(rng.integers(size))


def hostile(rng: np.random.Generator) -> str:
    """A word that nobody meant."""
    return HOSTILE[rng.integers(len(HOSTILE))]


def line(words: list[str], options: list[str], rng: np.random.Generator, most: int = 3) -> list[str]:
    """A command line with one to ``most`` words changed, left out or put in, or options added."""
    out = list(words)
    for _ in range(rng.integers(1, most + 1)):
        at, kind = int(rng.integers(len(out))) if out else 0, rng.integers(6)
        if kind <= 1 and out:
            out[at] = hostile(rng)
        elif kind == 2 and out:
            del out[at]
        elif kind == 3:
            out[at:at] = [str(rng.choice(["--help", *options])), hostile(rng)]
        elif kind == 4:
            out += [str(rng.choice(["--debug ", *options]))]
        elif out:
            out[at:at] = [hostile(rng)]
    return out


def config(text: str, rng: np.random.Generator) -> bytes:
    """A config with one to five lines changed; one in five is damaged as bytes."""
    if rng.integers(5) == 0:
        return damaged(text.encode(), rng)
    lines = text.splitlines()
    for _ in range(rng.integers(1, 6)):
        at, kind = int(rng.integers(len(lines))), rng.integers(5)
        name, equals, _ = lines[at].partition("=")
        if kind <= 1 and equals:
            word = hostile(rng)
            lines[at] = f"{name}= {word if rng.integers(2) else repr(word)}"
        elif kind == 2:
            del lines[at]
        elif kind == 3:
            lines[at:at] = [lines[int(rng.integers(len(lines)))]]
        else:
            lines[at:at] = [f"{hostile(rng)} = {hostile(rng)}"]
        lines = lines or [""]
    return "\n".join(lines).encode("utf-8", "surrogatepass")
