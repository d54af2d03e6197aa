"""What docs/benchmarks.md says of writes already. A run of some scenarios leaves the others' rows as they stand there: the
page outlives the folder that has the results, and the machine."""

from collections import namedtuple

from .report import END
from .write_scenarios import SCENARIOS

Page = namedtuple("Page", "bars runs")  # each {scenario: [row, …]}


def cells(row):
    return [cell.strip() for cell in row.strip().strip("|").split("|")]


def _whose():
    """{row: scenario}, of the rows that one scenario alone has."""
    found = {}
    for scenario in SCENARIOS:
        for check in scenario.checks:
            found.setdefault(check.row, set()).add(scenario.name)
    return {row: names.pop() for row, names in found.items() if len(names) == 1}


def read(path, begin):
    with open(path) as f:
        text = f.read().partition(begin)[2].partition(END)[0]
    page = Page({}, {})
    whose, names, scenario = _whose(), {scenario.name for scenario in SCENARIOS}, None
    for row in text.split("\n"):
        if not row.startswith("| "):
            continue
        first = cells(row)[0]
        scenario = whose.get(first, scenario)  # rows that several have follow one of their own
        if first in names:
            page.runs.setdefault(first, []).append(row)
        elif len(cells(row)) == 4 and scenario and first != "figure":
            page.bars.setdefault(scenario, []).append(row)
    return page
