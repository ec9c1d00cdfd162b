"""Three instruments, before and after denoising: simulated movies with known truth and recorded files.

Run ``python benchmarks/modalities.py [--only graphite ink stxm lfp "lfp laws" wedge cell "cell law" long
"long network"] [--data FOLDER] [--steps 300]``. Recorded files are looked for in FOLDER, by default
../shared/data/real beside the repository; sections without them are left out. Prints one table and updates
results/modalities.json beside this script, section by section, with versions and machine of the last run.
"""

import argparse
import json
import time
from pathlib import Path

import jax
import timing
from instruments import long, neutron, optical, stxm

PACKAGES = ("operax", "jax", "jaxlib", "flax", "numpy", "scipy", "scikit-image", "scikit-learn")
HERE = Path(__file__).resolve().parent

SECTIONS = {
    "graphite": optical.graphite,
    "ink": optical.ink,
    "stxm": stxm.stxm_stack,
    "lfp": stxm.lfp,
    "lfp laws": stxm.lfp_laws,
    "wedge": neutron.wedge,
    "cell": neutron.cell,
    "cell law": neutron.cell_law,
    "long": long.long,
    "long network": long.long_network,
}
RECORDED = {"stxm": "stxm_fe_l23_als", "wedge": "neutron_stepwedge_psi", "ink": "colour_ink_dilution"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=[s for s in SECTIONS if s != "long network"])
    parser.add_argument("--data", type=Path, default=HERE.parents[1] / "shared" / "data" / "real")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    path = timing.RESULTS / "modalities.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    for name in asked.only:
        if name in RECORDED and not (asked.data / RECORDED[name]).is_dir():
            print(f"{name}: {RECORDED[name]} is not in {asked.data}; left out")
            continue
        start = time.perf_counter()
        found = SECTIONS[name](asked.data, asked.steps, jax.random.key(asked.seed))
        found |= {"steps": asked.steps, "seed": asked.seed, "seconds": time.perf_counter() - start}
        print(f"\n{name}: {SECTIONS[name].__doc__}")
        for label, row in found["rows"].items():
            print(f"  {label:24s}" + "  ".join(f"{k} {v:.4g}" for k, v in row.items()))
        print("  " + "; ".join(f"{k}: {v}" for k, v in found.items() if k != "rows" and v != ""))
        kept[name] = found
        timing.save(path, kept, PACKAGES)
    print(f"\nwritten to {path.parent.name}/{path.name}")


if __name__ == "__main__":
    main()
