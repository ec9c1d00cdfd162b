"""Fair timing for the benchmarks: pinned cores, rounds in turn, and the record of versions and machine.

Run nothing by itself. `pin` comes before the first import of jax, which counts its threads then.
"""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def pin(cores: int) -> None:
    """Keep this process, and the threads it will start, on the last ``cores`` of the cores it may use."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[-cores:]))


def clock(cores: int) -> Callable[[], float]:
    """Processor time for one pinned core, which other work on the machine does not lengthen; else the wall clock."""
    return time.process_time if cores == 1 else time.perf_counter


def seconds(work: Callable[[], object], now: Callable[[], float]) -> float:
    start = now()
    work()
    return now() - start


def in_turn(works: dict, rounds: int, now: Callable[[], float]) -> dict[object, list[float]]:
    """Seconds of every piece of work in every round; all take their turn in a round, so load on the machine is shared.

    Every piece is run once before (compilation), and must wait for its own result.
    """
    for work in works.values():
        work()
    times: dict[object, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            times[name].append(seconds(work, now))
    return times


def median_ratio(over: list[float], under: list[float]) -> float:
    """Median of the ratios of two pieces of work within each round."""
    return statistics.median(a / b for a, b in zip(over, under, strict=True))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def save(path: Path, record: dict, packages: tuple[str, ...]) -> None:
    """Write a record as JSON, with versions and machine."""
    from operax.io import replacing

    with replacing(path) as fresh:
        fresh.write_text(json.dumps(record | circumstances(packages), indent=1) + "\n")


def circumstances(packages: tuple[str, ...]) -> dict:
    """Versions of packages and the machine: what a record, or one section of it, was measured with."""
    return {
        "versions": {package: _version(package) for package in packages},
        "machine": {"platform": platform.platform(), "processor": _processor(), "cores": os.cpu_count()},
    }


def _processor() -> str:
    about = Path("/proc/cpuinfo")
    names = (
        [line.split(":")[1].strip() for line in about.read_text().splitlines() if line.startswith("model name")]
        if about.exists()
        else []
    )
    return names[0] if names else platform.machine()
