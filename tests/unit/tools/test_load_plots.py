import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from pushaside_tools.load.plots import Kind, Line, Plot, draw


def plot_of(*lines: Line, kind: Kind = Kind.LINES, **fields: Any) -> Plot:
    count = len(lines[0].values)
    write: Callable[[float], str] = "{:g}".format
    settings: dict[str, Any] = {
        "title": "A plot",
        "about": "About it.",
        "x_name": "seconds",
        "xs": [float(x) for x in range(count)],
        "labels": [(float(x), str(x)) for x in range(count)],
        "hints": [f"hint {x}" for x in range(count)],
        "write": write,
    }
    return Plot(kind=kind, lines=lines, **settings | fields)


def line(name: str, color: str, *values: float | None, is_dashed: bool = False) -> Line:
    return Line(name=name, color=color, values=values, is_dashed=is_dashed)


def svg_of(figure: str) -> ET.Element:
    [svg] = ET.fromstring(figure).iter("{http://www.w3.org/2000/svg}svg")
    return svg


def paths(figure: str) -> list[str]:
    return re.findall(r'<path d="([^"]*)" class="line reactive', figure)


def texts(figure: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]+)</text>", figure)


def test_a_line_has_a_point_for_each_value() -> None:
    [path] = paths(draw(plot_of(line("a", "c1", 0.0, 50.0, 100.0))))

    xs, ys = zip(*(map(float, pair) for pair in re.findall(r"([\d.]+) ([\d.]+)", path)), strict=True)
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1])
    assert ys[0] - ys[1] == pytest.approx(ys[1] - ys[2], abs=1e-3)
    assert ys[0] > ys[2]


def test_a_line_is_interrupted_where_there_is_no_value_and_a_lone_point_is_a_dot() -> None:
    figure = draw(plot_of(line("a", "c1", 1.0, None, 3.0, 4.0)))

    [path] = paths(figure)
    assert path.startswith("M")
    assert len(path.split()) == 4
    assert figure.count("<circle") == 3


def test_the_first_line_is_on_top_and_keeps_its_colour() -> None:
    figure = draw(plot_of(line("a", "c1", 1.0, 1.0), line("b", "c2", 1.0, 1.0, is_dashed=True)))

    colors = re.findall(r"\.color-(\d) a:visited{stroke:var\(--(c\d)\)", figure)
    assert colors == [("0", "c2"), ("1", "c1")]
    assert re.findall(r'class="key ([^"]+)">(\w)', figure) == [("c1", "a"), ("c2 dashed", "b")]
    assert re.search(r"\.serie-0{[^}]*stroke-dasharray:5,5", figure)
    assert not re.search(r"\.serie-1{[^}]*stroke-dasharray", figure)


def test_layers_are_filled_and_add_up() -> None:
    figure = draw(plot_of(line("a", "c1", 60.0, 70.0), line("b", "c2", 40.0, 30.0), kind=Kind.LAYERS))

    assert "nofill" not in "".join(re.findall(r'class="line[^"]*"', figure))
    assert "100" in texts(figure)


def test_curves_are_drawn_at_their_own_x() -> None:
    figure = draw(
        plot_of(line("a", "c1", 1.0, 2.0, 3.0), kind=Kind.CURVES, xs=[0.0, 1.0, 3.0], labels=[(0.0, "0 %"), (3.0, "x")])
    )

    xs = [float(x) for x, _ in re.findall(r"([\d.]+) ([\d.]+)", paths(figure)[0])]
    assert xs[2] - xs[1] == pytest.approx(2 * (xs[1] - xs[0]), rel=1e-3)
    assert {"0 %", "x"} <= set(texts(figure))


def test_times_that_differ_widely_are_drawn_by_their_logarithms() -> None:
    narrow = texts(draw(plot_of(line("a", "c1", 1.0, 10.0, 19.0), is_time=True)))
    wide = texts(draw(plot_of(line("a", "c1", 0.5, 10.0, 2000.0), is_time=True)))
    counts = texts(draw(plot_of(line("a", "c1", 0.5, 10.0, 2000.0))))

    assert {"0", "4", "8"} <= set(narrow)
    assert {"1", "10", "100", "1000"} <= set(wide)
    assert "2000" not in wide
    assert {"0", "2000"} <= set(counts)


@pytest.mark.parametrize(("count", "shown"), [(5, ["0", "1", "2"]), (30, ["0", "5", "10"]), (240, ["0", "50", "100"])])
def test_labels_are_at_round_steps(count: int, shown: list[str]) -> None:
    figure = draw(plot_of(line("a", "c1", *[1.0] * count), write=lambda value: f"{value} each"))

    labels = [text for text in texts(figure) if text.isdigit()]
    assert labels[:3] == shown
    assert len(labels) <= 8


def test_each_point_has_its_hint() -> None:
    figure = draw(plot_of(line("a", "c1", 1.0, 2.0), hints=["0 s\na: one", "1 s\na: two"]))

    assert [each.text for each in ET.fromstring(figure).iter("{http://www.w3.org/2000/svg}title")][-2:] == [
        "0 s\na: one",
        "1 s\na: two",
    ]


def test_a_figure_needs_no_script_and_no_network() -> None:
    figure = draw(plot_of(line("a", "c1", 1.0, 2.0)))

    assert "<script" not in figure
    assert not re.search(r"(?:src|href)=|@import|url\(", figure)


def test_a_figure_is_well_formed_and_named_whatever_its_words_are() -> None:
    figure = draw(plot_of(line('<b> & "c"', "c1", 1.0, 2.0), hints=["a < b", "'c'"], title="<here>"))

    assert '<b> & "c"' in "".join(ET.fromstring(figure).itertext())
    assert svg_of(figure).attrib["aria-label"] == "<here>"
