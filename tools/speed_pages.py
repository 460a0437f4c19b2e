"""Make the tables and figures of speed from what the benchmarks wrote.

They are made from ``results.json`` and ``results_gpu.json``. The tables go to
``outputs/reference/speed``, the figures to ``docs/figures``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, NullLocator

from hybridlib.figures import style
from hybridlib.figures.axes import headline, log_ticks, new_axes, one_axes
from hybridlib.files import write_text

Results = Mapping[str, Any]

# What is compared, in words; the part of the results, and the name of the figure there.
RATIOS = {
    "training: pairs per second, over sentence-transformers": (
        "training",
        "training_over_sentence_transformers",
    ),
    "encoding: texts per second, over sentence-transformers": (
        "encoding",
        "encoding_over_sentence_transformers",
    ),
    "evaluation of XQuAD-R: time, over one matrix product": (
        "evaluation",
        "evaluation_over_product",
    ),
    "search, best 10: time, over faiss": ("search", "search_over_faiss_k10"),
    "search, best 100: time, over faiss": ("search", "search_over_faiss_k100"),
    "search, best 1,000: time, over faiss": ("search", "search_over_faiss_k1000"),
}

# The parts of the results whose machine the page names, in words.
PARTS = {
    "training": "training",
    "encoding": "encoding",
    "roofline": "the limits of training and encoding",
    "evaluation": "evaluation",
    "search": "search",
    "growth": "growth",
    "startup": "what one waits for",
}

# The growths: what grows, and what a panel calls it.
GROWTHS = {
    "passages": "search: passages",
    "languages": "evaluation: languages",
    "runs": "comparison: runs",
}


def write(benchmarks: Path, tables: Path, figures: Path) -> None:
    """Write all tables and figures.

    Args:
        benchmarks: the folder with results.json and results_gpu.json.
        tables: the folder of the tables.
        figures: the folder of the figures.
    """
    results = json.loads((benchmarks / "results.json").read_text(encoding="utf-8"))
    on_gpu = json.loads((benchmarks / "results_gpu.json").read_text(encoding="utf-8"))
    tables.mkdir(parents=True, exist_ok=True)
    write_text(tables / "machine.md", machine(results))
    write_text(tables / "ratios.md", ratios(results))
    write_text(tables / "gpu.md", gpu(on_gpu))
    write_text(tables / "gpu_machine.md", gpu_machine(on_gpu))
    write_text(tables / "precision.md", precision(results))
    write_text(tables / "profile.md", profile(results))
    write_text(tables / "waiting.md", waiting(results))
    write_text(tables / "growth.md", growth(results))
    style.save(draw_limit(results), figures, "speed-limit")
    style.save(draw_growth(results), figures, "speed-growth")


# ---------------------------------------------------------------------------------------- tables


def machine(results: Results) -> str:
    """Return the libraries, and which machine the figures of each part are of."""
    part = results["training"]["machine"]
    versions = [f"{name} {part[name]}" for name in ("torch", "sentence-transformers", "faiss-cpu")]
    measured: dict[str, list[str]] = {}
    for name, words in PARTS.items():
        of_part = results[name]["machine"]
        processor = f"{of_part['processor']}, {of_part['memory_gb']:.0f} GB"
        measured.setdefault(f"{of_part['cores']} cores ({processor})", []).append(words)
    lines = [f"- On {cores}: {', '.join(parts)}." for cores, parts in measured.items()]
    return f"Measured with {', '.join(versions)}:\n\n" + "\n".join(lines) + "\n"


def ratios(results: Results) -> str:
    """Return the table of ratios."""
    rows = []
    for name, (part, figure) in RATIOS.items():
        if figure in results[part]:
            rows.append({"what": name, "ratio": f"{results[part][figure]:.2f}"})
    return _table(rows)


def gpu(results: Results) -> str:
    """Return the table of speeds on a GPU, over those of sentence-transformers."""
    rows = []
    for name in ("fp32", "bf16"):
        training = results[f"training_{name}"]
        encoding = results[f"encoding_{name}"]
        rows.append(
            {
                "format": name,
                "training": f"{training['training_over_sentence_transformers']:.2f}",
                "pairs per second": f"{training['pairs_per_second']:,.0f}",
                "encoding": f"{encoding['encoding_over_sentence_transformers']:.2f}",
                "texts per second": f"{encoding['texts_per_second']:,.0f}",
            }
        )
    return _table(rows)


def gpu_machine(results: Results) -> str:
    """Return a sentence on the GPU that the figures are of."""
    part = results["training_bf16"]["machine"]
    versions = [f"{name} {part[name]}" for name in ("torch", "sentence-transformers")]
    return f"Measured on one {part['gpu']}:\n{', '.join(versions)}.\n"


def precision(results: Results) -> str:
    """Return the table of what rounding gains and loses in encoding."""
    encoding = results["encoding"]
    rows = []
    for name in ("bf16", "int8"):
        speed = f"{encoding[f'{name}_over_fp32']:.2f}"
        lost = {f"{key} mAP": f"{-loss:+.4f}" for key, loss in encoding[f"{name}_map_loss"].items()}
        rows.append({"format": name, "texts per second, over float32": speed, **lost})
    return _table(rows)


def profile(results: Results) -> str:
    """Return the table of where the time of a training step, and of encoding, goes."""
    steps = {"training": "training_profile", "encoding": "encoding_profile"}
    columns = {name: results["roofline"][figure] for name, figure in steps.items()}
    table = pd.DataFrame(columns).fillna(0.0)
    table = table.sort_values("training", ascending=False).map("{:.0%}".format)
    return _table(table.rename_axis("part").reset_index().to_dict("records"))


def waiting(results: Results) -> str:
    """Return the table of what one waits for before anything is computed."""
    seconds = {name: value for name, value in results["startup"].items() if _is_seconds(name)}
    return _table([{"what": name, "seconds": f"{value:.2f}"} for name, value in seconds.items()])


def growth(results: Results) -> str:
    """Return the table of the powers that time grows with."""
    rows = []
    for part, name in GROWTHS.items():
        largest = results["growth"][part]["rows"][-1]
        rows.append(
            {
                "what": name,
                "largest": f"{largest[part]:,}",
                "seconds there": f"{largest['seconds']:.1f}",
                "memory there, MB": f"{largest['memory_mb']:.0f}",
                "power of time": f"{results['growth'][part]['power']:.2f}",
            }
        )
    return _table(rows)


def _is_seconds(name: str) -> bool:
    """Return whether an entry of the part ``startup`` is a measurement."""
    return name not in {"machine", "minutes"}


def _table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows as Markdown."""
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True) + "\n"


# --------------------------------------------------------------------------------------- figures


@style.styled
def draw_limit(results: Results) -> Figure:
    """Draw each part's share of the machine's limit: of the rate of its bare matrix products."""
    shares = {
        "training": results["roofline"]["training_share"],
        "encoding": results["roofline"]["encoding_share"],
        "evaluation of XQuAD-R": 1 / results["evaluation"]["evaluation_over_product"],
        "search, best 10": results["search"]["product_share_k10"],
        "search, best 1,000": results["search"]["product_share_k1000"],
    }
    figure, axes = one_axes(2.6)
    bars = axes.barh(list(shares), list(shares.values()), color=style.GREY)
    axes.bar_label(bars, [f"{share:.0%}" for share in shares.values()], padding=3)
    axes.set(xlim=(0, 1), xlabel="share of the limit (higher is better)")
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.invert_yaxis()
    headline(figure, "How much of the time are bare matrix products?")
    return figure


@style.styled
def draw_growth(results: Results) -> Figure:
    """Draw time against size, a panel for each kind of growth, both on log scales."""
    figure, axes = new_axes(2.9, columns=len(GROWTHS))
    for part, panel in zip(GROWTHS, axes[0]):
        _draw_one_growth(panel, pd.DataFrame(results["growth"][part]["rows"]), part)
    axes[0, 0].set_ylabel("seconds (lower is better)")
    headline(figure, "How does time grow? (dotted: in proportion)")
    return figure


def _draw_one_growth(panel: Axes, table: pd.DataFrame, size: str) -> None:
    """Draw one kind of growth, and a line in proportion up to its last point."""
    sizes = table[size].to_numpy(float)
    seconds = table["seconds"].to_numpy()
    panel.plot(sizes, seconds, "o-", color="black")
    proportional = seconds[-1] * sizes / sizes[-1]
    panel.plot(sizes, proportional, ":", color=style.GREY)
    panel.set(xscale="log", yscale="log", xlabel=GROWTHS[size])
    panel.set_xticks(sizes)
    panel.xaxis.set_major_formatter(EngFormatter(sep=""))
    panel.xaxis.set_minor_locator(NullLocator())
    log_ticks(panel.yaxis, (1, 3))
    panel.yaxis.set_major_formatter("{x:g}")
