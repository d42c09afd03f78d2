"""The table: what was accepted, lost, duplicated, and how long it took, per engine and fault."""

from pathlib import Path

from .rounds import Cell, Progress

_HEAD = (
    "| engine | fault | cycles | accepted (recipients) | lost | damaged | duplicated | open at the crash |"
    " seconds to recover: median / worst |\n|---|---|--:|--:|--:|--:|--:|--:|--:|\n"
)


def row(cell: Cell) -> str:
    """Return one line of the table."""
    r = sorted(cell.recover)
    times = f"{r[len(r) // 2]:.2f} / {r[-1]:.2f}" if r else "-"
    opened = f"{cell.open_at_crash:,}" if cell.open_at_crash else "-"
    return (
        f"| {cell.engine} | {cell.fault} | {cell.cycles:,} | {cell.accepted:,} ({cell.recipients:,}) | {cell.lost:,} |"
        f" {cell.damaged:,} | {cell.duplicated:,} | {opened} | {times} |\n"
    )


def render(progress: Progress) -> str:
    """Return the report as Markdown."""
    cells = sorted(
        progress.cells.values(), key=lambda c: (not c.engine.startswith("kurir"), c.engine, c.fault)
    )
    text = "# Torture\n\n" + _HEAD + "".join(row(c) for c in cells)
    text += (
        "\n*accepted*: messages answered with 250.  *lost*: recipients of them that never got it.  "
        "*duplicated*: second copies of what had arrived already; a crash can cause as many as there were "
        "deliveries under way.\n\n## Run it again\n\n```\n"
        + "".join(f"{c}\n" for c in dict.fromkeys(c.command for c in cells if c.command))
        + "```\n"
    )
    wrong = [(c, p) for c in cells for p in c.problems]
    if wrong:
        text += "\n## Problems\n\n" + "".join(f"- {c.engine}, {c.fault}: {p}\n" for c, p in wrong)
    return text


def write(progress: Progress, path: Path) -> None:
    """Write the report to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(progress))
