"""The write results: lines for the terminal, and a section of docs/benchmarks.md with plots."""

import os
import statistics

from . import page, plot
from .report import splice
from .rounds import DISTURBED, noise
from .write_scenarios import AWAKE_US, RATE, SCENARIOS, field, median, values

BEGIN = "<!-- tools/bench/writes writes from here -->"
LABELS = {"longtail": "Longtail", "redis": "RedisTimeSeries, no persistence", "redis-everysec": "… appendfsync everysec",
          "redis-always": "… appendfsync always", "redis, smallest chunk": "RedisTimeSeries, smallest chunk"}

# file: (title, unit, {scenario: its label})
PLOTS = {
    "benchmarks-points.svg": ("Points acknowledged, 100 a command", "points/s", {
        "madd-64": "TS.MADD, 64 connections", "madd-8": "TS.MADD, 8 connections", "observe-64": "OBSERVE, 64 connections",
        "fsync": "fsync of each record, connections:", "growth": "connections:",
        "local-64": "local log, 64 connections"}),
    "benchmarks-single.svg": ("TS.ADD, one point a command", "points/s", {
        "add-64x16": "64 connections, 16 deep", "add-64x16-awake": "… cores awake", "add-64": "64 connections",
        "add-64-awake": "… cores awake", "local-add-64": "local log, 64 connections"}),
    "benchmarks-stored.svg": ("All roles, everything stored", "points/s", {
        "dense": "dense, in real time", "fast": "dense, as fast as it goes", "sparse": "sparse, names known",
        "new": "names never seen before"}),
}


def spread(found):
    """(min, median, max)"""
    return min(found), statistics.median(found), max(found)


def number(x):
    """Four digits that matter, thousands apart."""
    if x == 0 or abs(x) >= 1000:
        return f"{float(f'{x:.4g}'):,.0f}"
    return f"{x:.3g}"


# ---- the terminal ----

def run_line(scenario, arm, report):
    """One run, as it ends."""
    parts = [f"{scenario.name}: {arm}:"]
    if RATE in report:
        parts.append(f"{number(report[RATE])} points/s, p50 {report['latency_ms']['p50']:.3g} ms, "
                     f"p99 {report['latency_ms']['p99']:.3g}")
    else:
        parts.append(f"p50 {report['p50_ms']:.3g} ms, {report['rounds_per_s']:.0f} rounds/s")
    if "lag_s" in report:
        parts.append(f", lag {report['lag_s']:.1f} s, applied after {report['applied_s']:.1f} s, stored after {report['stored_s']:.1f} s")
    if "bytes_a_series" in report:
        parts.append(f", {report['bytes_a_series']:.0f} B a series")
    if "kafka_bytes_a_point" in report:
        parts.append(f", {report['kafka_bytes_a_point']:.1f} B a point")
    if (us := field(report, "noise.handover_us")) is not None:
        parts.append(f", a hand-over {us:.1f} µs")
    others, stolen = noise(report)
    if others + stolen > DISTURBED:
        parts.append(f" (others had {others:.0%} of the cores, the host took {stolen:.0%})")
    return " ".join(parts).replace(" ,", ",")


def verdict(check, runs, options):
    """(figure or None, its text, the bar's text, 'reached', 'missed' or '')"""
    x = check.figure(runs, options)
    if x is None:
        return None, "", "", ""
    bar = "" if check.bar is None else f"{'≥' if check.better == 'more' else '≤'} {number(check.bar)} {check.unit}"
    word = ""
    if check.bar is not None:
        good = (x >= check.bar if check.better == "more" else x <= check.bar) and (check.also is None or check.also(runs))
        word = "reached" if good else "missed"
    return x, f"{number(x)} {check.unit}", bar, word


def summary(results):
    for scenario in SCENARIOS:
        result = results["scenarios"].get(scenario.name)
        if result is None:
            continue
        yield f"{scenario.name}: {scenario.title}"
        for arm, found in rates(result["arms"]):
            yield f"    {arm:<24} {' / '.join(number(x) for x in spread(found))} points/s (min / median / max)"
        for check in scenario.checks:
            x, text, bar, word = verdict(check, result["arms"], result)
            if x is not None:
                yield f"    {check.row:<64} {text:<18} {bar:<16} {word}"


def rates(arms):
    for arm, reports in arms.items():
        if reports and RATE in reports[0]:
            yield arm, values(arms, arm, RATE)


# ---- the page ----

def bars_rows(scenario, result):
    for check in scenario.checks:
        x, text, bar, word = verdict(check, result["arms"], result)
        if x is not None:
            yield f"| {check.row} | {bar} | {text} | {'**missed**' if word == 'missed' else word} |"


def label(arm):
    base, _, rest = arm.partition(" ")
    return LABELS.get(arm) or f"{LABELS.get(base, base)} {rest}".strip()


def runs_rows(scenario, result):
    for arm, found in rates(result["arms"]):
        reports = result["arms"][arm]
        p50, p99 = (statistics.median(r["latency_ms"][p] for r in reports) for p in ("p50", "p99"))
        cpu = ", ".join(f"{who} {statistics.median(r['cpu_us_a_point_of'].get(who, 0) for r in reports):.2f}"
                        for who in reports[0]["cpu_us_a_point_of"])
        others, stolen = (max(shares) for shares in zip(*map(noise, reports)))
        handover_us = median(result["arms"], arm, "noise.handover_us")
        handover = "" if handover_us is None else f"{number(handover_us)} µs"
        low, middle, high = (number(x) for x in spread(found))
        aside = len(result.get("aside", ()))
        of_all = f" of {result['rounds'] + aside}" if aside else ""
        how = f"{result['rounds']}{of_all} × {result['seconds']} s"
        yield (f"| {scenario.name} | {how} | {label(arm)} | {low} | {middle} | {high} | {p50:.3g} ms | {p99:.3g} ms | {cpu} | "
               f"{others:.0%} | {stolen:.0%} | {handover} | {result['date']}, {result['version']} |")


def bar_of(row):
    """(what stands behind the arm's name, its bar), of a row of runs."""
    _, _, who, *spread_texts = page.cells(row)[:6]
    name = max((text for text in LABELS.values() if who.startswith(text)), key=len)
    return who.removeprefix(name).strip(), plot.Bar(name, *(float(text.replace(",", "")) for text in spread_texts))


def plot_text(runs, title, unit, labels):
    groups = []
    for name, group_label in labels.items():
        by_group = {}
        for rest, bar in map(bar_of, runs.get(name, ())):
            by_group.setdefault(rest, []).append(bar)
        groups += [(f"{group_label} {rest}".strip(), found) for rest, found in by_group.items()]
    used = [text for text in LABELS.values() if any(bar.name == text for _, found in groups for bar in found)]
    return plot.bars(title, unit, groups, used) if groups else None


def table(head, rows):
    """rows: {scenario: [row, …]}"""
    columns = head.count("|") - 1
    return [head, "|---" * columns + "|", *(row for scenario in SCENARIOS for row in rows.get(scenario.name, ())), ""]


def render(results, docs):
    """Rows of scenarios without a result stay as they are."""
    path = os.path.join(docs, "benchmarks.md")
    bars, runs = page.read(path, BEGIN)
    measured = results["scenarios"]
    for scenario in SCENARIOS:
        if scenario.name in measured:
            bars[scenario.name] = list(bars_rows(scenario, measured[scenario.name]))
            runs[scenario.name] = list(runs_rows(scenario, measured[scenario.name]))
    lines = [f"Measured on {results['machine']}. {results['series']:,} series; Longtail and peer in turn. *others* is what processes "
             "outside the benchmark took of the cores, *stolen* what the host did not give, each at worst: where that is much, the "
             "figure is the host's. *Hand-over* is half of a byte's way to a process on another core and back, before a run, the median: "
             "an idle core that has halted waits for the host to run it again, which no share shows. *3 of 5* runs are the three that lost "
             f"least. *Cores awake*: idle cores look for work for {AWAKE_US} µs before they halt (`guest_halt_poll_ns`), for the peer, too.",
             "", *table("| figure | bar | median | |", bars),
             *table("| scenario | runs | who | points/s: min | median | max | p50 | p99 | CPU, µs a point | others | stolen | hand-over | when, commit |",
                      runs)]
    for file, (title, unit, labels) in PLOTS.items():
        text = plot_text(runs, title, unit, labels)
        if text is not None:
            with open(os.path.join(docs, file), "w") as f:
                f.write(text)
            lines += [f"![{title}]({file})", ""]
    splice(path, BEGIN, lines)
