"""Figure of docs/capacity.md: the check of the model, and what it says of GPUs."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib as mpl
from capacity import CARDS, table
from capacity_check import RECORD

mpl.use("Agg")
from matplotlib import pyplot

TARGET_S = 1.0


def draw(path: Path) -> None:
    """Draw the recorded check of ``capacity_check.py``, and the listeners of each card with derived step times."""
    checked = json.loads(RECORD.read_text())
    figure, axes = pyplot.subplots(1, len(checked) + 1, figsize=(3.4 * len(checked) + 4.6, 3.6), layout="constrained")
    for axis, (name, found) in zip(axes, checked.items(), strict=False):
        rows = found["rows"]
        shares = [100 * row["share"] for row in rows]
        for percent, color in ((50, "tab:blue"), (95, "tab:red")):
            axis.plot(
                shares, [row[f"predicted_p{percent}_s"] for row in rows], color=color, label=f"p{percent} predicted"
            )
            measured = [row[f"measured_p{percent}_s"] for row in rows]
            axis.plot(shares, measured, "o", color=color, label=f"p{percent} measured")
        axis.set(title=f"{name}: predicted and measured", xlabel="load, % of capacity", ylabel="first audio, s")
        axis.set_ylim(bottom=0)
        axis.legend(fontsize=8)
    made = table(TARGET_S)
    height = 0.8 / len(made)
    for index, (kind, by_card) in enumerate(made.items()):
        places = [place + (index - 1) * height for place in range(len(CARDS))]
        lows = [max(0.5, by_card[card][0]) for card in CARDS]
        highs = [max(0.6, by_card[card][1]) for card in CARDS]
        axes[-1].barh(places, [high - low for low, high in zip(lows, highs, strict=True)], height, lows, label=kind)
    axes[-1].set_yticks(range(len(CARDS)), CARDS)
    axes[-1].set(
        title=f"derived: listeners at a p95 of {TARGET_S:g} s", xlabel="low to high case (log scale)", xscale="log"
    )
    axes[-1].invert_yaxis()
    axes[-1].legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=len(made))
    figure.savefig(path, dpi=110)
