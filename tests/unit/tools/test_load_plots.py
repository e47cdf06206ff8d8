import re
from xml.etree import ElementTree as ET

import pytest

from pushaside_tools.load.plots import Axis, Band, Line, Plot, draw
from pushaside_tools.load.scales import Linear, Logarithmic, Tail, scale_from_zero, scale_of_times


def plot_of(*lines: Line, bands: tuple[Band, ...] = (), **fields: object) -> Plot:
    x, y = Axis(Linear(0.0, 10.0), "seconds", "{:g}".format), Axis(Linear(0.0, 100.0), "", "{:g}".format)
    return Plot("A plot", "About it.", x, y, lines, bands, **fields)  # type: ignore[arg-type]


def paths(figure: str, kind: str) -> list[str]:
    return re.findall(rf'<path class="{kind}[^"]*" d="([^"]*)"', figure)


def test_a_line_goes_through_its_points() -> None:
    [path] = paths(draw(plot_of(Line("a", "c1", [(0.0, 0.0), (5.0, 50.0), (10.0, 100.0)]))), "line")

    assert path == "M58.0 230.0L263.0 120.0L468.0 10.0"


def test_a_line_is_interrupted_where_there_is_nothing() -> None:
    points = [(0.0, 1.0), (1.0, None), (2.0, 3.0), (3.0, 4.0)]
    [path] = paths(draw(plot_of(Line("a", "c1", points))), "line")

    assert [len(each.split("L")) for each in path.split("M")[1:]] == [1, 2]
    assert "h.01" in path.split("M")[1]  # else a point without neighbours could not be seen


def test_the_first_line_is_above_the_others() -> None:
    figure = draw(plot_of(Line("a", "c1", [(0.0, 1.0), (1.0, 1.0)]), Line("b", "c2", [(0.0, 1.0), (1.0, 1.0)])))

    assert figure.index("line c2") < figure.index("line c1")
    assert re.findall(r'class="key (c\d)', figure) == ["c1", "c2"]


def test_a_band_is_closed_between_its_lines() -> None:
    [path] = paths(draw(plot_of(bands=(Band("a", "c1", [(0.0, 0.0, 50.0), (10.0, 0.0, 100.0)]),))), "band")

    assert path == "M58.0 120.0L468.0 10.0L468.0 230.0L58.0 230.0Z"


def test_each_place_has_the_nearest_hint() -> None:
    figure = draw(plot_of(hints=[(2.0, "two"), (4.0, "four"), (10.0, "ten")]))

    rects = re.findall(r'x="([\d.]+)" y="10" width="([\d.]+)".*?<title>(\w+)<', figure)
    assert [text for _, _, text in rects] == ["two", "four", "ten"]
    ends = [float(x) + float(width) for x, width, _ in rects]
    assert ends == pytest.approx([181.0, 345.0, 468.0], abs=0.2)


def test_a_figure_is_well_formed_whatever_its_words_are() -> None:
    line = Line('<b> & "c"', "c1", [(0.0, 1.0), (1.0, 2.0)])
    figure = draw(plot_of(line, hints=[(1.0, "a < b\n'c'")], marks=[(3.0, "<here>")]))

    texts = "".join(ET.fromstring(figure).itertext())
    assert '<b> & "c"' in texts
    assert "<here>" in texts


def test_times_that_differ_widely_are_drawn_by_their_logarithms() -> None:
    assert scale_of_times([0.003, 0.005]) == Linear(0.0, 0.005)
    assert scale_of_times([0.003, 0.4]) == Logarithmic(0.002, 0.5)
    assert scale_of_times([0.001, 1.0]) == Logarithmic(0.001, 1.0)


@pytest.mark.parametrize(("most", "top"), [(0.0, 1.0), (7.3, 8.0), (99.0, 100.0), (600.0, 600.0), (1e-4, 1e-4)])
def test_a_scale_from_zero_ends_with_a_round_number(most: float, top: float) -> None:
    scale = scale_from_zero([most])

    assert scale.most == pytest.approx(top)
    assert scale.ticks()[-1] == pytest.approx(top)


@pytest.mark.parametrize("scale", [Linear(0.0, 3.0), Logarithmic(0.0002, 70.0), Tail(99.997)])
def test_ticks_are_on_the_scale_and_rise(scale: Linear | Logarithmic | Tail) -> None:
    places = [scale.at(value) for value in scale.ticks()]

    assert places == sorted(places)
    assert 3 <= len(places) <= 12
    assert places[0] >= 0
    assert places[-1] <= 1


def test_each_nine_is_as_long_as_the_next() -> None:
    scale = Tail(99.99)

    assert [scale.at(percent) for percent in (0.0, 90.0, 99.0, 99.9, 99.99)] == pytest.approx([0, 0.25, 0.5, 0.75, 1])
