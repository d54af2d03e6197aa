"""results.json as a page for people."""

BEGIN = "<!-- tools/bench/reads --render writes from here -->"
END = "<!-- to here -->"


def table(results):
    rows = ["| question | bar | p50 | p99 | first | plan | rows read | MB read |", "|---|---|---|---|---|---|---|---|"]
    for r in results.values():
        if not isinstance(r, dict) or "p50_ms" not in r:
            continue
        bar = f"{r['bar_ms']} ms" if r["bar_ms"] else ""
        read = f"{r['bytes_read'] / 1e6:.2f}" if "bytes_read" in r else ""
        rows.append(f"| {r['title']} | {bar} | {r['p50_ms']:.1f} ms | {r['p99_ms']:.1f} ms | {r['first_ms']:.1f} ms | "
                    f"{r.get('plan', '')} | {r.get('rows_read', '')} | {read} |")
    return rows


def peers(results):
    hour = results.get("hour", {}).get("p50_ms")
    rows = ["| the same hour of 10 M items, LIMIT 10 | p50 | to Longtail's |", "|---|---|---|"]
    for name, ms in results.get("peers", {}).items():
        rows.append(f"| {name} | {ms:.0f} ms | {f'{ms / hour:.0f} x' if hour else ''} |")
    return rows if "peers" in results else []


def splice(path, begin, lines):
    """Replaces what stands between begin and the next END."""
    with open(path) as f:
        text = f.read()
    head, _, rest = text.partition(begin)
    tail = rest.partition(END)[2]
    with open(path, "w") as f:
        f.write(head + begin + "\n\n" + "\n".join(lines).rstrip() + "\n\n" + END + tail)


def render(results, path):
    splice(path, BEGIN, [f"Measured on {results['date']}: {results['machine']}.", "", *table(results), "", *peers(results)])
