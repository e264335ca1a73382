"""Curves as small SVG drawings, for pages that must stand alone."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT = 340, 170
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 26, 24


def line_chart(title: str, points: Sequence[tuple[float, float]]) -> str:
    """An SVG of one curve; ``points`` are (step, value), at least one, finite."""
    if not points:
        raise ValueError(f"no points to draw for {title!r}")
    steps, values = [step for step, _ in points], [value for _, value in points]
    low, high = _padded(min(values), max(values))
    first, last = min(steps), max(max(steps), min(steps) + 1)

    def x(step: float) -> float:
        return LEFT + (step - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)

    path = " ".join(f"{x(step):.1f},{y(value):.1f}" for step, value in points)
    ticks = "".join(_tick(y(value), value) for value in (low, (low + high) / 2, high))
    summary = f"{title}: {values[0]:.4g} to {values[-1]:.4g} over {len(points)} points"
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(summary)}">'
        f'<text x="{LEFT}" y="16" class="chart-title">{escape(title)}</text>{ticks}'
        f'<text x="{LEFT}" y="{HEIGHT - 6}" class="tick">{first:g}</text>'
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" class="tick" text-anchor="end">{last:g}</text>'
        f'<polyline points="{path}" class="curve"/>'
        f'<circle cx="{x(steps[-1]):.1f}" cy="{y(values[-1]):.1f}" r="3" class="last"/></svg>'
    )


def _tick(height: float, value: float) -> str:
    return (
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{height:.1f}" y2="{height:.1f}" class="grid"/>'
        f'<text x="{LEFT - 5}" y="{height + 3:.1f}" class="tick" text-anchor="end">{value:.3g}</text>'
    )


def _padded(low: float, high: float) -> tuple[float, float]:
    """A little room above and below; an axis of values that are never negative does not go below 0."""
    margin = (high - low) * 0.05 or abs(high) * 0.1 or 1.0
    return (max(0.0, low - margin) if low >= 0 else low - margin), high + margin
