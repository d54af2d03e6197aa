"""Bars with whiskers, as SVG by hand: readable in light and dark, as the colours follow the reader's."""

import math
from collections import namedtuple
from xml.sax.saxutils import escape

Bar = namedtuple("Bar", "name low middle high")  # name: the series, which has one colour in all plots

WIDTH, LEFT, RIGHT = 860, 250, 90
BAR, GAP, GROUP_GAP, TOP, BOTTOM = 15, 3, 14, 62, 16

STYLE = """
    text { font: 12px sans-serif; fill: #1f2328; }
    .title { font-size: 15px; font-weight: bold; }
    .small { font-size: 11px; fill: #59636e; }
    .axis { stroke: #d1d9e0; }
    .whisker { stroke: #1f2328; }
    .c0 { fill: #0f6bd6; } .c1 { fill: #e0a100; } .c2 { fill: #cf6a2c; } .c3 { fill: #a33a3a; }
    .bar { stroke: #1f232833; }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc; }
      .small { fill: #9198a1; }
      .axis { stroke: #3d444d; }
      .whisker { stroke: #f0f6fc; }
      .c0 { fill: #4a9bff; } .c1 { fill: #f0c04a; } .c2 { fill: #ea8f58; } .c3 { fill: #e06c6c; }
      .bar { stroke: #f0f6fc33; }
    }
"""


def short(x):
    """Three digits that matter."""
    for limit, unit in ((1e6, " M"), (1e3, " k")):
        if x >= limit:
            return f"{x / limit:.3g}{unit}"
    return f"{x:.3g}"


def _step(highest):
    """The smallest round number that gives the axis at most eight lines."""
    power = 10 ** math.floor(math.log10(highest / 8))
    return next(power * m for m in (1, 2, 2.5, 5, 10) if power * m * 8 >= highest)


def bars(title, unit, groups, names):
    """groups: [(label, [Bar, …])]; names: series in order of colour, shown as the legend. The text of an SVG file."""
    highest = max((bar.high for _, found in groups for bar in found), default=1) or 1
    step = _step(highest)
    scale = (WIDTH - LEFT - RIGHT) / max(highest, step)
    height = TOP + BOTTOM + sum(len(found) * (BAR + GAP) + GROUP_GAP for _, found in groups)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
           f"  <title>{escape(title)}</title>", f"  <style>{STYLE}  </style>",
           f'  <text class="title" x="10" y="20">{escape(title)}</text>', *_legend(names, unit), *_axis(step, highest, scale, height)]
    y = TOP
    for label, found in groups:
        middle = y + len(found) * (BAR + GAP) / 2 + 3
        out.append(f'  <text x="{LEFT - 8}" y="{middle:.0f}" text-anchor="end">{escape(label)}</text>')
        for bar in found:
            out += _bar(bar, names.index(bar.name), y, scale)
            y += BAR + GAP
        y += GROUP_GAP
    return "\n".join([*out, "</svg>", ""])


def _legend(names, unit):
    x = 10
    for i, name in enumerate(names):
        yield f'  <rect class="c{i}" x="{x}" y="29" width="10" height="10"/>'
        yield f'  <text class="small" x="{x + 14}" y="38">{escape(name)}</text>'
        x += 30 + 6.2 * len(name)
    yield f'  <text class="small" x="{WIDTH - 10}" y="38" text-anchor="end">{escape(unit)}; median, min–max</text>'


def _axis(step, highest, scale, height):
    count = int(highest / step) + 1
    for i in range(count):
        x = LEFT + i * step * scale
        yield f'  <line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{height - BOTTOM + 2}"/>'
        yield f'  <text class="small" x="{x:.1f}" y="{height - 2}" text-anchor="middle">{short(i * step)}</text>'


def _bar(bar, colour, y, scale):
    x0, low, middle, high = LEFT, LEFT + bar.low * scale, LEFT + bar.middle * scale, LEFT + bar.high * scale
    centre = y + BAR / 2
    yield f'  <rect class="bar c{colour}" x="{x0}" y="{y}" width="{max(middle - x0, 1):.1f}" height="{BAR}"/>'
    yield (f'  <path class="whisker" fill="none" d="M{low:.1f} {centre - 3} V{centre + 3} M{low:.1f} {centre} H{high:.1f} '
           f'M{high:.1f} {centre - 3} V{centre + 3}"/>')
    yield f'  <text x="{max(high, middle) + 6:.1f}" y="{centre + 4:.1f}">{short(bar.middle)}</text>'
