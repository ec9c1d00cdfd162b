"""Stages of a run as the user sees them: a bar with the time left in a terminal, one line each elsewhere."""

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from .folder import Folder
from .say import says

Tick = Callable[[int, int, float], None]


@contextlib.contextmanager
def stage(name: str, run: Folder | None = None, *, value: str = "") -> Iterator[Tick]:
    """Show a stage while it runs, and write its course to the run folder.

    Gives a function to be called as ``tick(step, steps, value)``.

    Parameters
    ----------
    name
        One word, the stage in metrics.csv and run.json.
    run
        The run folder, if there is one.
    value
        What the value of every step is, for the bar.
    """
    console = Console(stderr=True)
    began = time.perf_counter()
    columns = (
        SpinnerColumn(finished_text=" "),
        TextColumn("{task.description:<9}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[said]}"),
    )
    with Progress(*columns, console=console, transient=True, disable=not (console.is_terminal and says("info"))) as bar:
        task = bar.add_task(name, total=None, said="")

        def tick(step: int, steps: int, reached: float) -> None:
            bar.update(task, completed=step, total=steps, said=f"step {step} of {steps}  {value} {reached:.4g}")
            if says("debug"):
                console.print(f"{name:<9} step {step} of {steps}  {value} {reached:.6g}", highlight=False)
            if run is not None:
                run.metric(name, step, float(reached))

        yield tick
    seconds = time.perf_counter() - began
    if says("info"):
        console.print(f"{name:<9} {seconds:6.1f} s", highlight=False)
    if run is not None:
        run.note(seconds={**run.state.get("seconds", {}), name: round(seconds, 3)})
        run.log(f"{name} took {seconds:.1f} s")
