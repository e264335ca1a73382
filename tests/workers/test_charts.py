"""Curves drawn as SVG."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from workers.charts import HEIGHT, WIDTH, line_chart


def test_a_curve_stays_inside_its_drawing_and_rises_when_the_values_do() -> None:
    drawing = ET.fromstring(line_chart("reward", [(0, -1.0), (5, 0.5), (10, 3.0)]))
    curve = drawing.find("polyline")
    assert curve is not None
    points = [tuple(map(float, point.split(","))) for point in curve.attrib["points"].split()]
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert [y for _, y in points] == sorted((y for _, y in points), reverse=True)
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)


def test_a_single_or_constant_value_can_be_drawn() -> None:
    assert "nan" not in line_chart("kl", [(3, 0.0)])
    assert "nan" not in line_chart("kl", [(3, 2.0), (4, 2.0)])


def test_titles_are_escaped() -> None:
    assert "<b>" not in line_chart("<b>", [(0, 1.0)])


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(ValueError, match="no points"):
        line_chart("loss", [])
