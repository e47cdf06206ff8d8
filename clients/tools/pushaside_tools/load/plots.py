"""Plots as SVG, which a browser draws without anything else; colours are the page's, by class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise

from pushaside_tools.load.scales import Scale

WIDTH, HEIGHT = 480, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 10, 40
_ROOM = 44.0
"""Units between what is written at the lower axis, at the least."""

Write = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis: its scale, what it is called, and how its values are written."""

    scale: Scale
    name: str
    write: Write


@dataclass(frozen=True, slots=True)
class Line:
    """Points joined by a line, interrupted where a value is None. `color` is a class of the page's."""

    name: str
    color: str
    points: Sequence[tuple[float, float | None]]
    is_dashed: bool = False


@dataclass(frozen=True, slots=True)
class Band:
    """The area between two lines over the same values of x: one of the layers of a stack."""

    name: str
    color: str
    points: Sequence[tuple[float, float, float]]


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot, whose first line is above the others.

    `marks` are values of x with their names; `hints`, likewise, are told where the pointer is.
    """

    title: str
    about: str
    x: Axis
    y: Axis
    lines: Sequence[Line] = ()
    bands: Sequence[Band] = ()
    marks: Sequence[tuple[float, str]] = ()
    hints: Sequence[tuple[float, str]] = field(default=())


def draw(plot: Plot) -> str:
    """Return a figure of HTML with the plot in it, and what its colours mean."""
    shown: list[Band | Line] = [*plot.bands, *plot.lines]
    parts = [
        _draw_grid(plot),
        *(_draw_band(plot, band) for band in plot.bands),
        *(_draw_line(plot, line) for line in reversed(plot.lines)),
        *(_draw_mark(plot, at, name) for at, name in plot.marks),
        _draw_hints(plot),
    ]
    keys = "".join(
        f'<span class="key {each.color}{" dashed" if isinstance(each, Line) and each.is_dashed else ""}">'
        f"{escape(each.name)}</span>"
        for each in shown
    )
    title = escape(plot.title)
    return (
        f'<figure><figcaption><h3>{title}</h3><p>{escape(plot.about)}</p><div class="keys">{keys}</div></figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">{"".join(parts)}</svg></figure>'
    )


def _x(plot: Plot, value: float) -> float:
    return _LEFT + plot.x.scale.at(value) * (WIDTH - _LEFT - _RIGHT)


def _y(plot: Plot, value: float) -> float:
    return HEIGHT - _BOTTOM - plot.y.scale.at(value) * (HEIGHT - _TOP - _BOTTOM)


def _draw_grid(plot: Plot) -> str:
    right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM
    parts = []
    for value in plot.y.scale.ticks():
        y = _y(plot, value)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{right}"/>')
        parts.append(f'<text class="end" x="{_LEFT - 6}" y="{y + 4:.1f}">{escape(plot.y.write(value))}</text>')
    last = -_ROOM
    for value in plot.x.scale.ticks():
        x = _x(plot, value)
        if x - last >= _ROOM:
            last = x
            parts.append(f'<path class="grid" d="M{x:.1f} {_TOP}V{bottom}"/>')
            parts.append(f'<text class="middle" x="{x:.1f}" y="{bottom + 16}">{escape(plot.x.write(value))}</text>')
    parts.append(f'<path class="axis" d="M{_LEFT} {bottom}H{right}"/>')
    middle = (_LEFT + right) / 2
    parts.append(f'<text class="middle name" x="{middle:.0f}" y="{HEIGHT - 6}">{escape(plot.x.name)}</text>')
    return "".join(parts)


def _draw_line(plot: Plot, line: Line) -> str:
    steps, is_on = [], False
    values: list[tuple[float, float | None]] = [(line.points[0][0], None)] if line.points else []
    for (_, before), (x, value), after in zip(
        [*values, *line.points], line.points, [*line.points[1:], (0.0, None)], strict=False
    ):
        if value is None:
            is_on = False
            continue
        steps.append(f"{'L' if is_on else 'M'}{_x(plot, x):.1f} {_y(plot, value):.1f}")
        if before is None and after[1] is None:
            steps.append("h.01")  # a point without neighbours: round ends make a dot of it
        is_on = True
    dashed = " dashed" if line.is_dashed else ""
    return f'<path class="line {line.color}{dashed}" d="{"".join(steps)}"/>' if steps else ""


def _draw_band(plot: Plot, band: Band) -> str:
    if not band.points:
        return ""
    above = [f"{_x(plot, x):.1f} {_y(plot, high):.1f}" for x, _, high in band.points]
    below = [f"{_x(plot, x):.1f} {_y(plot, low):.1f}" for x, low, _ in reversed(band.points)]
    return f'<path class="band {band.color}" d="M{"L".join([*above, *below])}Z"/>'


def _draw_mark(plot: Plot, at: float, name: str) -> str:
    x = _x(plot, at)
    side = "end" if x > WIDTH / 2 else "start"
    beside = x + (-5 if side == "end" else 5)
    text = f'<text class="{side} name" x="{beside:.1f}" y="{HEIGHT - _BOTTOM - 8}">{escape(name)}</text>'
    return f'<path class="mark" d="M{x:.1f} {_TOP}V{HEIGHT - _BOTTOM}"/>{text}'


def _draw_hints(plot: Plot) -> str:
    """Cut the plot into columns halfway between the hints; a browser shows the one that the pointer is in."""
    if not plot.hints:
        return ""
    middles = [_x(plot, at) for at, _ in plot.hints]
    edges = [float(_LEFT), *((left + right) / 2 for left, right in pairwise(middles)), float(WIDTH - _RIGHT)]
    height = HEIGHT - _TOP - _BOTTOM
    return "".join(
        f'<rect class="hint" x="{left:.1f}" y="{_TOP}" width="{max(0.0, right - left):.1f}" height="{height}">'
        f"<title>{escape(text)}</title></rect>"
        for (left, right), (_, text) in zip(pairwise(edges), plot.hints, strict=True)
    )
