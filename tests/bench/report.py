"""From figures to a Markdown table with spread, and a chart as SVG without any library."""

from collections.abc import Mapping, Sequence
from html import escape

from tests.bench.load import median
from tests.bench.parts import PARTS, Figures

Taken = Mapping[str, Mapping[str, Sequence[Figures]]]  # part -> server -> rounds
REFERENCE = "postfix"
_COLOURS = {"kurir": "#2f6f9f", "postfix": "#c07a2c", "exim": "#7a7a7a"}


def spread(values: Sequence[float]) -> str:
    """Return ``median (least to most)``."""
    if len(values) == 1:
        return f"{values[0]:.4g}"
    return f"{median(values):.4g} ({min(values):.4g} to {max(values):.4g})"


def ratios(mine: Sequence[Figures], other: Sequence[Figures], name: str) -> list[float]:
    """Return the ratio of each round."""
    return [a[name] / b[name] for a, b in zip(mine, other, strict=False) if b.get(name)]


def table(taken: Taken, about: str) -> str:
    """Return the report."""
    lines = [
        "# Kurir beside its peers", "", about, "",
        "Median (least to most) of the rounds; the ratio is taken round by round, since the servers were measured in turns.", "",
        f"| measure | figure | server | value | of {REFERENCE} |", "| --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for part, servers in taken.items():
        names = list(next((rounds[0] for rounds in servers.values() if rounds), {}))
        for name in names:
            for server, rounds in servers.items():
                if not rounds:
                    continue
                against = servers.get(REFERENCE, ())
                share = spread(ratios(rounds, against, name)) if server != REFERENCE and against else ""
                value = spread([figures[name] for figures in rounds])
                lines.append(f"| {PARTS[part].title} | {name} | {server} | {value} | {share} |")
    return "\n".join(lines) + "\n"


def chart(taken: Taken) -> str:
    """Return bars of every rate (whiskers from least to most), one group a measure."""
    groups = []
    for part, servers in taken.items():
        for name in next((rounds[0] for rounds in servers.values() if rounds), {}):
            if name.endswith("/s") and len(servers) > 1:
                bars = [(server, [f[name] for f in rounds]) for server, rounds in servers.items() if rounds]
                groups.append((PARTS[part].title, name, bars))
    width, left, bar, y = 900, 380, 14, 40
    shapes = [
        '<text x="10" y="22" font-size="16">Kurir beside its peers (more is better; whiskers: least and most)</text>'
    ]
    for title, name, bars in groups:
        top = max(max(values) for _, values in bars)
        shapes.append(f'<text x="10" y="{y + 11}">{escape(title)}, {escape(name)}</text>')
        for server, values in bars:
            scale = (width - left - 150) / top
            length, low, high = median(values) * scale, min(values) * scale, max(values) * scale
            middle = y + bar / 2
            shapes.append(
                f'<rect x="{left}" y="{y}" width="{length:.1f}" height="{bar - 2}" fill="{_COLOURS.get(server, "#999")}"/>'
                f'<path d="M{left + low:.1f} {middle}H{left + high:.1f}" stroke="#222"/>'
                f'<text x="{left + high + 6:.1f}" y="{y + 11}">{server} {median(values):.0f}</text>'
            )
            y += bar
        y += 12
    style = "font-family='sans-serif' font-size='12'"
    body = "\n".join(shapes)
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y}" {style}>\n<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n'
