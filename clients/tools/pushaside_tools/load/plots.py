"""Plots of a report as figures of HTML, which pygal draws as SVG without scripts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from html import escape
from typing import Any
from xml.etree.ElementTree import Element

import pygal
from pygal.style import Style

_MOST_LABELS = 8
_ROUND_STEPS = (1, 2, 5, 10, 20, 50, 100)
"""The most steps that a run has are 240."""
_WIDE = 20.0
"""If the longest time is that many times the shortest, their axis is logarithmic."""


class Kind(Enum):
    """The chart of a plot: lines over steps of time, layers over steps of time, or lines over any numbers."""

    LINES = pygal.Line
    LAYERS = pygal.StackedLine
    CURVES = pygal.XY


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A value for each x of the plot, with gaps where it is None. `color` is a class of the page's CSS, such as c1."""

    name: str
    color: str
    values: Sequence[float | None]
    is_dashed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """Lines over the same values of x, the first one on top. `hints` has a text for each x, shown under the pointer.

    `labels` are values of x with their texts; without them the chart chooses round numbers. `write` formats y.
    """

    kind: Kind
    title: str
    about: str
    x_name: str
    xs: Sequence[float]
    labels: Sequence[tuple[float, str]]
    lines: Sequence[Line]
    hints: Sequence[str]
    write: Callable[[float], str]
    is_time: bool = False


def draw(plot: Plot) -> str:
    """Return a figure with the plot and a key to its colours."""
    keys = "".join(
        f'<span class="key {line.color}{" dashed" if line.is_dashed else ""}">{escape(line.name)}</span>'
        for line in plot.lines
    )
    about = f'<p>{escape(plot.about)}</p><div class="keys">{keys}</div>'
    svg = _chart_of(plot).render(is_unicode=True)
    return f"<figure><figcaption><h3>{escape(plot.title)}</h3>{about}</figcaption>{svg}</figure>"


def _chart_of(plot: Plot) -> Any:  # noqa: ANN401  (pygal has no types)
    # Later series cover earlier ones; layers do not overlap, and grow from the first.
    lines = plot.lines if plot.kind is Kind.LAYERS else plot.lines[::-1]
    is_logarithmic = plot.is_time and _is_wide(lines)
    chart = plot.kind.value(
        style=_style_of(lines),
        value_formatter=plot.write,
        logarithmic=is_logarithmic,
        include_x_axis=not is_logarithmic,
        x_title=plot.x_name,
        fill=plot.kind is Kind.LAYERS,
        **_axis_of(plot),
        **_LOOK,
    )
    for line in lines:
        stroke = {"width": 2, "linecap": "round", **({"dasharray": "5, 5"} if line.is_dashed else {})}
        chart.add(line.name, _points_of(plot, line), stroke_style=stroke)
    chart.add_xml_filter(partial(_tidy, plot.title))
    return chart


_LOOK = {
    "width": 480,
    "height": 290,
    "margin": 6,
    "spacing": 6,
    "show_legend": False,
    "dots_size": 1,
    "allow_interruptions": True,
    "truncate_label": -1,
    "max_scale": 6,
    "js": [],
    "disable_xml_declaration": True,
}


def _style_of(lines: Sequence[Line]) -> Style:
    return Style(
        background="transparent",
        plot_background="transparent",
        foreground="var(--quiet)",
        foreground_strong="var(--quiet)",
        foreground_subtle="var(--rule)",
        guide_stroke_color="var(--rule)",
        major_guide_stroke_color="var(--rule)",
        guide_stroke_dasharray="none",
        major_guide_stroke_dasharray="none",
        font_family="inherit",
        label_font_size=13,
        major_label_font_size=13,
        title_font_size=13,
        opacity=".75",
        stroke_opacity="1",
        stroke_width="2",
        stroke_width_hover="2",
        colors=tuple(f"var(--{line.color})" for line in lines),
        value_colors=("var(--ink)",) * len(lines),
    )


def _axis_of(plot: Plot) -> dict[str, Any]:
    if plot.kind is Kind.CURVES:
        return {"x_labels": [{"value": at, "label": text} for at, text in plot.labels] or None}
    labels = [text for _, text in plot.labels]
    every = next(step for step in _ROUND_STEPS if step * _MOST_LABELS >= len(labels))
    return {"x_labels": labels, "x_labels_major_every": every, "show_minor_x_labels": False}


def _points_of(plot: Plot, line: Line) -> list[dict[str, Any]]:
    is_curve = plot.kind is Kind.CURVES
    return [
        {"value": (x, value) if is_curve else value, "label": hint}
        for x, value, hint in zip(plot.xs, line.values, plot.hints, strict=True)
    ]


def _is_wide(lines: Sequence[Line]) -> bool:
    values = [value for line in lines for value in line.values if value]
    return bool(values) and max(values) > _WIDE * min(values)


def _tidy(title: str, svg: Element) -> Element:
    """Take out pygal's script, and turn the notes that it reads into titles, which browsers show by themselves."""
    svg.attrib.update({"role": "img", "aria-label": title})
    for parent in list(svg.iter()):
        for child in list(parent):
            if child.tag == "desc" and child.get("class") == "label":
                child.tag, child.attrib = "title", {}
            elif child.tag in {"desc", "script"}:
                parent.remove(child)
    return svg
