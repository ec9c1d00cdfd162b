"""Tables and figures of the paper study, put between the marks of a Markdown page. Run nothing by itself."""

import itertools
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from operax import plot

from .experiments import KINDS
from .pipelines import NAMES

BEGIN, END = "<!-- measured: benchmarks/paper_study.py writes what follows -->", "<!-- end of what was measured -->"
COLOURS = dict(zip(NAMES, ("#8a8a8a", "#d1600a", "#3a8f5c", "#20639b", "#7a4fa3")))
LABELS = {"gauss": "white", "counts": "counting", "rows": "row"}
# Half of the raw fit's spread, with a bias of at most so many standard deviations.
BAR, BIAS = 0.5, 0.3
# Pairs whose differences give a spread.
FEWEST = 3
SHOWN = 0.1
# Ticks of the figure of errors.
LEVELS, PER_CENT = (0.02, 0.05, 0.1, 0.2), (1, 2, 5, 10, 20, 50, 100)


def line(fit: dict, about: dict) -> str:
    """One fit in a line, while the study runs."""
    head = f"{fit['kind']:7s}{fit['sigma']:5.2f} {fit['pair']}{'+-'[fit['sign'] < 0]} {fit['pipeline']:19s}"
    if "lost" in fit:
        return f"{head} lost: {fit['lost']}"
    if "carried" in fit:
        return f"{head} spread of D {np.round(fit['carried']['sd'][:5], 3)}, {fit['seconds']:3.0f} s"
    z = (np.array(fit["estimate"]) - about["true"]) / fit["sd"]
    return f"{head} {fit['image']['psnr [dB]']:5.1f} dB, rms z {np.sqrt(np.mean(z**2)):5.2f}, {fit['seconds']:3.0f} s"


def of_law(done: list[dict], carried: dict | None, about: dict, law: str) -> dict:
    """Error, spread, bias and coverage of one law over the pairs of which both draws were fitted.

    The spread is what noise does in first order: as `propagate` says, else by half the differences within pairs.
    """
    here = np.array([name.startswith("D") == (law == "D") for name in about["names"]])
    true, curve = np.array(about["true"])[here], np.array(about["truth"][law])
    pairs = [[f for f in done if f["pair"] == n] for n in sorted({f["pair"] for f in done})]
    pairs = [sorted(p, key=lambda f: f["sign"]) for p in pairs if len(p) == 2]
    estimate, sd, low, high = (
        np.array([[f[name] for f in p] for p in pairs])[..., here] for name in ("estimate", "sd", "low", "high")
    )
    curves = np.array([[f["laws"][law] for f in p] for p in pairs])
    bias = (estimate - true).mean((0, 1))
    size = np.sqrt(np.mean(curve**2))
    found = {
        "error": float(np.sqrt(np.mean((curves - curve) ** 2)) / size),
        "covered": float(np.mean((low <= true) & (true <= high))),
        "draws": 2 * len(pairs),
    }
    if carried is not None:
        spread, along = np.array(carried["sd"])[here], np.array(carried[law])
    elif len(pairs) >= FEWEST:
        spread, along = (np.sqrt(np.mean(np.square(x[:, 1] - x[:, 0]) / 4, 0)) for x in (estimate, curves))
    else:
        return found
    return found | {
        "carried": carried is not None,
        "spread": spread,
        "law spread": float(np.sqrt(np.mean(np.square(along))) / size),
        "bias": float(np.sqrt(np.mean((bias / spread) ** 2))),
        "stated": float(np.exp(np.mean(np.log(sd.mean((0, 1)) / spread)))),
    }


def rows(record: dict) -> list[dict]:
    """A row for every noise, level and pipeline of which at least one pair was fitted."""
    found = []
    for kind, sigma in itertools.product(KINDS, sorted({f["sigma"] for f in record["fits"]})):
        reference = None
        for name in NAMES:
            fits = [f for f in record["fits"] if (f["kind"], f["sigma"], f["pipeline"]) == (kind, sigma, name)]
            done = [f for f in fits if "lost" not in f]
            if not any(sum(f["pair"] == n for f in done) == 2 for n in {f["pair"] for f in done}):
                continue
            row = {"kind": kind, "sigma": sigma, "pipeline": name, "lost": len(fits) - len(done)}
            for part in ("image", "physics"):
                row |= {key: float(np.mean([abs(f[part][key]) for f in done])) for key in done[0][part]}
            known = [
                f["carried"]
                for f in record["carried"]
                if (f["kind"], f["sigma"], f["pipeline"]) == (kind, sigma, name) and "carried" in f
            ]
            row |= {law: of_law(done, known[0] if known else None, record, law) for law in ("D", "mu")}
            reference = row if name == "raw" else reference
            for law in ("D", "mu"):
                if reference is not None:
                    row[law]["error to raw"] = row[law]["error"] / reference[law]["error"]
                    if "spread" in row[law] and "spread" in reference[law]:
                        ratios = np.log(row[law]["spread"] / reference[law]["spread"])
                        row[law]["to raw"] = float(np.exp(np.mean(ratios)))
            found.append(row)
    return found


def _verdict(row: dict) -> str:
    if row["pipeline"] == "raw" or "to raw" not in row["D"]:
        return ""
    said = {law: row[law]["to raw"] <= BAR and row[law]["bias"] <= BIAS for law in ("D", "mu")}
    return {(True, True): "both", (True, False): "D", (False, True): "μ", (False, False): "no"}[said["D"], said["mu"]]


def table(found: list[dict]) -> str:
    """Two Markdown tables: the movies, and the laws."""
    first = [
        "| noise | σ | pipeline | PSNR, dB | SSIM | bias, % | worst eighth, % | mass, % | energy, % | width, % "
        "| structure, % |",
        "| " + "--- | " * 11,
    ]
    second = [
        "| noise | σ | pipeline | draws "
        "| D: error, % | of raw | spread, % | of raw | bias, sd | stated / spread | in 90 % "
        "| μ: error, % | of raw | spread, % | of raw | bias, sd | stated / spread | in 90 % | meets the bar |",
        "| " + "--- | " * 19,
    ]
    for r in found:
        head = f"| {LABELS[r['kind']]} | {r['sigma']:g} | {r['pipeline']} |"
        numbers = (r["psnr [dB]"], r["ssim"], r["bias [%]"], r["worst bin bias [%]"])
        shown = "{:.1f} | {:.3f} | {:.2f} | {:.2f}".format(*numbers)
        errors = " | ".join(f"{r[name]:.3g}" for name in ("mass [%]", "energy [%]", "width [%]", "structure [%]"))
        first.append(f"{head} {shown} | {errors} |")
        cells = []
        for law in ("D", "mu"):
            w = r[law]
            names = ("error to raw", "law spread", "to raw", "bias", "stated")
            middle = [f"{100 * w[n] if n == 'law spread' else w[n]:.2f}" if n in w else "" for n in names]
            if not w.get("carried", True):
                middle[1] = f"~{middle[1]}"
            cells.append(f"{100 * w['error']:.1f} | {' | '.join(middle)} | {100 * w['covered']:.0f}")
        lost = f" ({r['lost']} lost)" if r["lost"] else ""
        second.append(f"{head} {r['D']['draws']}{lost} | {' | '.join(cells)} | {_verdict(r)} |")
    return "\n".join(first) + "\n\n" + "\n".join(second)


def _named(found: list[dict]) -> list[str]:
    """Pipelines that have a row."""
    return [name for name in NAMES if any(r["pipeline"] == name for r in found)]


def _laws(record: dict, found: list[dict]) -> Figure:
    """Every fitted law beside the true one, white noise."""
    names = _named(found)
    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    panels = figure.subplots(2, len(names), sharex=True, sharey="row", squeeze=False)
    c = record["compositions"]
    for name, column in zip(names, panels.T):
        for law, ax in zip(("D", "mu"), column):
            for fit in record["fits"]:
                if (fit["kind"], fit["sigma"], fit["pipeline"]) == ("gauss", SHOWN, name) and "lost" not in fit:
                    ax.plot(c, fit["laws"][law], color=COLOURS[name], linewidth=0.9, alpha=0.8)
            ax.plot(c, record["truth"][law], color="black", linestyle="--", linewidth=0.9)
        column[0].set_title(name, fontsize="small", color=COLOURS[name])
    for ax, law, label in zip(panels[:, 0], ("D", "mu"), ("D(c)", "μ$_h$(c) − μ$_h$(½)")):
        ax.set_ylabel(label)
        margin = 0.35 * np.ptp(record["truth"][law])
        ax.set_ylim(min(record["truth"][law]) - margin, max(record["truth"][law]) + margin)
    figure.supxlabel("composition c", fontsize="small")
    return figure


def _errors(found: list[dict]) -> Figure:
    """Error and spread of both laws against the noise."""
    figure = Figure(figsize=(7.2, 5.2), layout="constrained")
    kinds = [kind for kind in KINDS if any(r["kind"] == kind for r in found)]
    panels = figure.subplots(2, len(kinds), sharex=True, sharey="row", squeeze=False)
    for kind, column in zip(kinds, panels.T):
        for law, ax in zip(("D", "mu"), column):
            for name in _named(found):
                mine = [r for r in found if (r["kind"], r["pipeline"]) == (kind, name)]
                sigma = [r["sigma"] for r in mine]
                style = {"color": COLOURS[name], "markersize": 3, "linewidth": 1}
                ax.loglog(sigma, [100 * r[law]["error"] for r in mine], "o-", label=name, **style)
                ax.loglog(sigma, [100 * r[law].get("law spread", np.nan) for r in mine], ":", **style)
            ax.grid(which="major", color="#e6e6e6", linewidth=0.6)
            for axis, ticks in ((ax.xaxis, LEVELS), (ax.yaxis, PER_CENT)):
                axis.set_major_locator(FixedLocator(ticks))
                axis.set_major_formatter("{x:g}")
                axis.set_minor_locator(NullLocator())
        column[0].set_title(f"{LABELS[kind]} noise", fontsize="small")
        column[1].set_xlabel("σ")
    panels[0, 0].set_ylabel("D(c), % of its norm")
    panels[1, 0].set_ylabel("μ$_h$(c), % of its norm")
    panels[0, 0].legend(fontsize="x-small", frameon=False)
    return figure


def _frames(record: dict, found: list[dict], clean) -> Figure:
    """One frame of every pipeline, by kind of noise."""
    kept = {(f["kind"], f["pipeline"]): np.array(f["frame"]) for f in record["fits"] if "frame" in f}
    kinds = [kind for kind in KINDS if any(k == kind for k, _ in kept)]
    figure = Figure(figsize=(7.2, 0.3 + 1.35 * len(kinds)), layout="constrained")
    names = _named(found)
    panels = figure.subplots(len(kinds), 1 + len(names), squeeze=False)
    truth = np.asarray(clean.frames[record["frame"]])
    for kind, row in zip(kinds, panels):
        for ax, name in zip(row, ("truth", *names)):
            ax.set(xticks=[], yticks=[])
            frame = truth if name == "truth" else kept.get((kind, name))
            if frame is not None:
                ax.imshow(frame, vmin=0, vmax=1, cmap="cividis", interpolation="nearest")
        row[0].set_ylabel(LABELS[kind], fontsize="small")
    for ax, name in zip(panels[0], ("truth", *names)):
        ax.set_title(name, fontsize="x-small")
    return figure


def write(path: Path, record: dict, found: list[dict], clean) -> None:
    """Tables between the marks of a page, figures in the folder beside it."""
    text = path.read_text()
    if BEGIN not in text or END not in text:
        raise SystemExit(f"{path} lacks the lines {BEGIN!r} and {END!r}, between which the tables go.")
    head, tail = text.split(BEGIN)[0], text.split(END)[1]
    path.write_text(f"{head}{BEGIN}\n\n{table(found)}\n\n{END}{tail}")
    figures = path.parent / "figures"
    for name, figure in (
        ("laws", _laws(record, found)),
        ("errors", _errors(found)),
        ("frames", _frames(record, found, clean)),
    ):
        (figures / f"study_{name}.png").write_bytes(plot.png(figure, 160))
