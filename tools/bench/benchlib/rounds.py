"""Which rounds of a scenario count. A round is one run of each arm, in turn. On a shared machine others take the cores of some
rounds; what they took is measured, so those can be told from the others without a look at their figures."""

# A share of the cores that makes a difference of its own: used by processes outside the benchmark, or not given by the host.
DISTURBED = 0.05


def noise(report):
    """(others, stolen), shares of the cores."""
    found = report.get("noise", {})
    return found.get("others", 0), found.get("stolen", 0)


def lost(runs):
    """What a round, {arm: report}, lost of the cores: at its worst arm."""
    return max(sum(noise(report)) for report in runs.values())


def enough(rounds, wanted, again):
    """So many rounds that nobody disturbed, or as many as there may be."""
    return sum(lost(runs) <= DISTURBED for runs in rounds) >= wanted or len(rounds) >= wanted + again


def quietest(rounds, wanted):
    """(those that count, those put aside): the least disturbed count, whatever their figures are."""
    order = sorted(range(len(rounds)), key=lambda i: lost(rounds[i]))
    counted = set(order[:wanted])
    return [rounds[i] for i in sorted(counted)], [rounds[i] for i in range(len(rounds)) if i not in counted]
