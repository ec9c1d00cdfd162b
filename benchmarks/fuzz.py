"""Does anything break the readers or the command line? Damaged files, hostile options, configs and run folders.

Every case runs as the command line runs it and has to end, within ten seconds, with success or with one clear message:
no traceback, no defect, nothing half written, no process that dies.

Targets that are left out keep what was found before.

python benchmarks/fuzz.py [--readers 2000] [--verbs 500] [--only hdf5,run] [--seed 0]
"""

import argparse
import contextlib
import io as streams
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

LIMIT = 10.0  # processor seconds, also of child processes, in which a case must have ended, done or refused
KILL = 300.0  # seconds on the clock after which it is ended; one that is ended twice counts as hung
MEMORY = 12 * 2**30  # address space of a worker
# Fits of a few pixels take far longer to compile well than to run.
QUICK = " ".join(
    (
        "--xla_backend_optimization_level=0",
        "--xla_llvm_disable_expensive_passes=true",
        "--xla_cpu_parallel_codegen_split_count=1",
        "--xla_cpu_max_isa=SSE4_2",
    )
)


def judged(kind: str, code: int, said: str, folder: Path, seconds: float) -> str:
    """What is wrong with how a case ended; empty if nothing is."""
    if code not in (0, 1, 2) or "Traceback" in said or "a defect of operax" in said:
        return f"ended with {code}: {said[-400:]}"
    if code == 1 and "operax: error: " not in said:
        return f"failed without a message: {said[-400:]}"
    if code == 1 and kind == "reader":
        return f"failed on what is bad input: {said[-400:]}"
    if code and not said.strip():
        return "failed without a word"
    if seconds > LIMIT:
        return f"took {seconds:.0f} s to end with {code}"
    return half_written(folder)


def half_written(folder: Path) -> str:
    """A file that is not whole: a temporary one, or a new one that does not read back."""
    import h5py

    for path in (p for p in folder.rglob("*") if p.is_file() and not str(p.relative_to(folder)).startswith("run/")):
        if path.name.endswith(".part"):
            return f"{path.name} was left behind"
        if path.stat().st_mtime < folder.stat().st_ctime and path.name == "movie.h5":
            continue
        if path.suffix == ".h5" and path.parent != folder:
            try:
                h5py.File(path).close()
            except OSError as error:
                return f"{path} is not whole: {error}"
        if path.name == "run.json":
            json.loads(path.read_text("utf-8"))
        if path.name == "report.html" and not path.read_text("utf-8").rstrip().endswith("</html>"):
            return f"{path} is not whole"
    return ""


def reader_case(samples, name: str, folder: Path, rng) -> tuple[list[str], int, str]:
    """Damage a file, look into it and load it."""
    from fuzzing.files import harmed

    from operax import io
    from operax.cli import errors, main

    name, data, how = samples[rng.integers(len(samples))]
    (folder / name).write_bytes(harmed(name, data, rng))
    said = streams.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        code = main(["info", name])
        if "Traceback" in said.getvalue() or code not in (0, 2):
            return ["info", name], code, said.getvalue()
        said.truncate(0)
        code = errors.guarded(lambda: io.load(name, **how) and None, debug=False)
    return ["load", name], code, said.getvalue()


def verb_case(name: str, folder: Path, rng) -> tuple[list[str], int, str]:
    """Say something hostile to a verb."""
    from fuzzing.verbs import VERBS

    from operax.cli import main

    words = VERBS[name](folder, rng)
    said = streams.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        code = main(words)
    return words, code, said.getvalue()


def work(kind: str, name: str, first: int, last: int, seed: int, base: Path) -> None:
    """Run cases one by one and print how each ended, one line of JSON each."""
    import resource
    import zlib

    import numpy as np

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    out = os.fdopen(os.dup(1), "w", buffering=1)
    samples: list = []
    if kind == "reader":
        from fuzzing.files import READERS

        from operax import io

        (base / "samples").mkdir(exist_ok=True)
        samples = READERS[name](base / "samples")
        for file, data, how in samples:
            (base / "samples" / file).write_bytes(data)
            io.load(base / "samples" / file, **how)
    else:
        from fuzzing.verbs import prepare

        (base / "good").mkdir(exist_ok=True)
        with contextlib.redirect_stderr(streams.StringIO()), contextlib.redirect_stdout(streams.StringIO()):
            prepare(base / "good", name)
    print(json.dumps({"ready": True}), file=out)
    for number in range(first, last):
        rng = np.random.default_rng([seed, zlib.crc32(name.encode()), number])
        folder = base / "case"
        shutil.rmtree(folder, ignore_errors=True)
        if kind == "reader":
            folder.mkdir()
        else:
            shutil.copytree(base / "good", folder)
        os.chdir(folder)
        start = sum(os.times()[:4])
        try:
            words, code, said = (reader_case if kind == "reader" else _verb)(samples, name, folder, rng)
        except BaseException as error:
            words, code, said = [], -1, f"Traceback: {type(error).__name__}: {error}"
        seconds = sum(os.times()[:4]) - start
        fault = judged(kind, code, said, folder, seconds)
        print(json.dumps({"case": number, "code": code, "seconds": seconds, "fault": fault, "words": words}), file=out)


def _verb(samples, name, folder, rng):
    return verb_case(name, folder, rng)


def fuzz(kind: str, name: str, count: int, seed: int, base: str) -> dict:
    """All cases of one reader or verb; a worker that hangs or dies is replaced and its case counted."""
    ended: dict[str, int] = {"read or done": 0, "refused": 0, "failed with a message": 0}
    faults: list[dict] = []
    slowest, first, again = 0.0, 0, -1
    quick = {**os.environ, "XLA_FLAGS": QUICK}
    while first < count:
        words = [sys.executable, __file__, "--work", kind, name, str(first), str(count), str(seed), base]
        worker = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=quick)
        lines: queue.Queue = queue.Queue()
        threading.Thread(target=_drain, args=(worker.stdout, lines), daemon=True).start()
        ready = False
        while True:
            try:
                text = lines.get(timeout=KILL if ready else 300)
            except queue.Empty:
                worker.kill()
                worker.wait()
                if again == first:
                    faults.append({"case": first, "fault": f"hung for {KILL:.0f} s"})
                    first += 1
                else:  # a loaded machine may have been the reason
                    again = first
                break
            if text is None:
                worker.wait()
                if not ready:
                    raise SystemExit(f"the worker of {kind} {name} does not start: {' '.join(words)}")
                if first < count and not (faults and faults[-1]["case"] == first):
                    faults.append({"case": first, "fault": f"the process died with {worker.returncode}"})
                first += 1
                break
            found = json.loads(text)
            if "ready" in found:
                ready = True
                continue
            first, slowest = found["case"] + 1, max(slowest, found["seconds"])
            key = {0: "read or done", 2: "refused"}.get(found["code"], "failed with a message")
            ended[key] += 1
            if found["fault"]:
                faults.append(found)
                print(f"  {kind} {name} {found['case']}: {found['words']!r:.200} {found['fault']:.300}", flush=True)
    return {"cases": count, **ended, "slowest, s": round(slowest, 1), "faults": faults}


def _drain(stream, lines) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=2000)
    parser.add_argument("--verbs", type=int, default=500)
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--work", nargs=6)
    args = parser.parse_args()
    if args.work:
        kind, name, first, last, seed, base = args.work
        work(kind, name, int(first), int(last), int(seed), Path(base))
        return
    from fuzzing.files import READERS
    from fuzzing.verbs import VERBS
    from timing import RESULTS, save

    targets = [("reader", name, args.readers) for name in READERS] + [("verb", name, args.verbs) for name in VERBS]
    only = args.only.split(",") if args.only else [name for _, name, _ in targets]
    path = args.out or RESULTS / "fuzz.json"
    table = json.loads(path.read_text())["targets"] if path.exists() else {}
    print(f"{'':<16}{'cases':>7}{'done':>7}{'refused':>9}{'failed':>8}{'slowest, s':>12}{'faults':>8}")
    with tempfile.TemporaryDirectory() as base:
        for kind, name, count in targets:
            if name not in only or not count:
                continue
            found = fuzz(kind, name, count, args.seed, base)
            table[f"{kind} {name}"] = found
            numbers = [v for k, v in found.items() if k != "faults"]
            print(
                f"{kind} {name:<9}{numbers[0]:>7}{numbers[1]:>7}{numbers[2]:>9}{numbers[3]:>8}{numbers[4]:>12}"
                f"{len(found['faults']):>8}",
                flush=True,
            )
            save(path, {"seed": args.seed, "targets": table}, ("operax", "numpy", "h5py", "tifffile", "imageio"))


if __name__ == "__main__":
    main()
