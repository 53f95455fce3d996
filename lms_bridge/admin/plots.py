"""Plots: the numbers behind each, as the macro of plot.html draws them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PlotBar:
    """One bar: what it stands for, its value, and its height in per cent of the highest."""

    label: str
    value: float
    height: float


@dataclass(frozen=True, slots=True)
class Plot:
    """Bars side by side, the earliest first. ``unit`` goes with the values, such as "s"."""

    title: str
    bars: tuple[PlotBar, ...]
    unit: str = ""

    @property
    def highest(self) -> PlotBar:
        return max(self.bars, key=lambda bar: bar.value)


def plot_of(title: str, points: Iterable[tuple[str, float]], unit: str = "") -> Plot:
    """A plot of (label, value); there is at least one, and no value is below zero."""
    known = list(points)
    most = max((value for _, value in known), default=0.0) or 1.0
    bars = (PlotBar(label, value, round(100 * value / most, 1)) for label, value in known)
    return Plot(title, tuple(bars), unit)
