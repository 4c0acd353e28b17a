"""Plots as plain SVG text: axes, dots, lines, bars. No library, so that the report needs nothing but Python itself."""

from __future__ import annotations

import dataclasses
import html
import math

FONT = "font-family='system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'"
INK, FAINT, GRID = "#1c2733", "#5d6b79", "#e3e8ed"

# Okabe and Ito's palette, which colour-blind readers can tell apart; ours is the dark red one
OURS = ["#c1121f", "#7a0c4f"]
PEERS = ["#5d6b79", "#0072b2", "#009e73", "#e69f00", "#a87900", "#7b5ea7", "#56b4e9", "#cc79a7", "#3d405b", "#81b29a", "#8d5524", "#6c757d"]


def colours(names: list[tuple[str, bool]]) -> dict[str, str]:
    """A colour for each (name, ours), the same in every plot of a report."""
    ours, peers = iter(OURS * 4), iter(PEERS * 4)
    return {name: next(ours if mine else peers) for name, mine in names}


@dataclasses.dataclass
class Axis:
    low: float
    high: float
    start: float  # pixels
    stop: float
    log: bool = False

    def at(self, value: float) -> float:
        value = min(max(value, self.low), self.high)
        if self.log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.stop - self.start)

    def ticks(self, most: int = 8) -> list[float]:
        if not self.log:
            return linear_ticks(self.low, self.high, most)
        decades = math.log10(self.high / self.low)
        steps = [1, 2, 5] if decades <= 2.5 else [1]
        if decades <= 0.8:
            return [t for t in linear_ticks(self.low, self.high, most) if t >= self.low]
        found = []
        for exponent in range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1):
            found += [s * 10.0**exponent for s in steps if self.low * 0.999 <= s * 10.0**exponent <= self.high * 1.001]
        stride = max(1, math.ceil(len(found) / (most + 2)))
        return found[::stride]


def linear_ticks(low: float, high: float, most: int) -> list[float]:
    raw = (high - low) / max(most, 1)
    if raw <= 0:
        return [low]
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, int(math.floor(high / step + 1e-9)) + 1)]


def short(value: float) -> str:
    """A tick's label: 2k, 0.5, 3M."""
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:g}{suffix}"
    return f"{value:.6g}"


class Canvas:
    def __init__(self, width: float, height: float, label: str) -> None:
        self.width, self.height = width, height
        self.parts = [
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:g} {height:g}' width='{width:g}' height='{height:g}' "
            f"role='img' aria-label='{html.escape(label, quote=True)}' {FONT}>",
            f"<rect width='{width:g}' height='{height:g}' fill='white'/>",
        ]

    def text(self, x: float, y: float, text: str, size: float = 12, anchor: str = "start", fill: str = INK, weight: str = "normal",
             rotate: float = 0, halo: bool = False) -> None:
        """With a halo, lines behind the text do not strike it through."""
        edge = " stroke='white' stroke-width='9' stroke-linejoin='round' paint-order='stroke'" if halo else ""
        turn = f" transform='rotate({rotate:g} {x:.1f} {y:.1f})'" if rotate else ""
        self.parts.append(f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size:g}' text-anchor='{anchor}' fill='{fill}' "
                          f"font-weight='{weight}'{edge}{turn}>"
                          f"{html.escape(text)}</text>")

    def line(self, x1: float, y1: float, x2: float, y2: float, stroke: str = GRID, width: float = 1, dash: str = "") -> None:
        dashes = f" stroke-dasharray='{dash}'" if dash else ""
        self.parts.append(f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='{stroke}' "
                          f"stroke-width='{width:g}'{dashes}/>")

    def dot(self, x: float, y: float, fill: str, radius: float = 4.5, title: str = "", opacity: float = 0.9, hollow: bool = False) -> None:
        style = f"fill='white' stroke='{fill}' stroke-width='2'" if hollow else f"fill='{fill}' stroke='white' stroke-width='0.7'"
        self.parts.append(f"<circle cx='{x:.1f}' cy='{y:.1f}' r='{radius:g}' {style} opacity='{opacity:g}'>{self._title(title)}</circle>")

    def diamond(self, x: float, y: float, fill: str, radius: float = 6.5, title: str = "") -> None:
        points = f"{x:.1f},{y - radius:.1f} {x + radius:.1f},{y:.1f} {x:.1f},{y + radius:.1f} {x - radius:.1f},{y:.1f}"
        self.parts.append(f"<polygon points='{points}' fill='{fill}' stroke='white' stroke-width='0.8'>{self._title(title)}</polygon>")

    def path(self, points: list[tuple[float, float]], stroke: str, width: float = 1.8, title: str = "",
             fill: str = "none", opacity: float = 1) -> None:
        steps = " ".join(f"{'M' if i == 0 else 'L'}{x:.1f} {y:.1f}" for i, (x, y) in enumerate(points))
        self.parts.append(f"<path d='{steps}' stroke='{stroke}' stroke-width='{width:g}' fill='{fill}' opacity='{opacity:g}' "
                          f"stroke-linejoin='round'>{self._title(title)}</path>")

    def rect(self, x: float, y: float, width: float, height: float, fill: str, title: str = "") -> None:
        self.parts.append(f"<rect x='{x:.1f}' y='{y:.1f}' width='{max(width, 0):.1f}' height='{max(height, 0):.1f}' fill='{fill}'>"
                          f"{self._title(title)}</rect>")

    def frame(self, x: Axis, y: Axis, x_label: str, y_label: str, x_format=short, y_format=short,
              x_ticks: int = 8, y_ticks: int = 6) -> None:
        """Grid, tick labels and axis names; y.start is the bottom."""
        for tick in x.ticks(x_ticks):
            self.line(x.at(tick), y.start, x.at(tick), y.stop)
            self.text(x.at(tick), y.start + 16, x_format(tick), 11, "middle", FAINT)
        for tick in y.ticks(y_ticks):
            self.line(x.start, y.at(tick), x.stop, y.at(tick))
            self.text(x.start - 7, y.at(tick) + 4, y_format(tick), 11, "end", FAINT)
        self.line(x.start, y.start, x.stop, y.start, FAINT)
        self.line(x.start, y.start, x.start, y.stop, FAINT)
        self.text((x.start + x.stop) / 2, y.start + 36, x_label, 12, "middle", INK)
        if y_label:
            self.text(x.start - 50, (y.start + y.stop) / 2, y_label, 12, "middle", INK, rotate=-90)

    def legend(self, x: float, y: float, names: dict[str, str], limit: float, emphasis: set[str]) -> float:
        """Entries from left to right, broken at `limit`; returns the y below the last line."""
        left = x
        for name, colour in names.items():
            width = 22 + 7.0 * len(name)
            if x + width > limit and x > left:
                x, y = left, y + 18
            if name in emphasis:
                self.diamond(x + 5, y - 4, colour, 5.5)
            else:
                self.dot(x + 5, y - 4, colour)
            self.text(x + 14, y, name, 12, weight="600" if name in emphasis else "normal")
            x += width + 6
        return y + 18

    @staticmethod
    def _title(text: str) -> str:
        return f"<title>{html.escape(text)}</title>" if text else ""

    def __str__(self) -> str:
        return "\n".join([*self.parts, "</svg>"])


def place_labels(points: list[tuple[float, float, str]], right_edge: float, size: float = 12.5) -> list[tuple[float, float, str]]:
    """Where to write the labels of dots so that they do not lie on each other: (x, y, anchor) for each point."""
    placed: list[tuple[float, float, float, float]] = [(x - 7, y - 7, x + 7, y + 7) for x, y, _ in points]
    answers = []
    for x, y, text in points:
        width = 0.6 * size * len(text)
        choices = [(x + 11, y + 4, "start"), (x - 11, y + 4, "end"), (x, y - 12, "middle"), (x, y + 21, "middle")]
        choices += [(x + 11, y + d, "start") for d in (-12, 18, -26, 32)] + [(x - 11, y + d, "end") for d in (-12, 18, -26, 32)]

        def box(choice: tuple[float, float, str]) -> tuple[float, float, float, float]:
            left = choice[0] - {"start": 0, "end": width, "middle": width / 2}[choice[2]]
            return (left, choice[1] - size, left + width, choice[1] + 3)

        def clashes(choice: tuple[float, float, str]) -> float:
            a = box(choice)
            outside = 1e6 if a[2] > right_edge or a[0] < 0 else 0
            return outside + sum(max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1])) for b in placed)

        best = min(choices, key=clashes)
        placed.append(box(best))
        answers.append(best)
    return answers
