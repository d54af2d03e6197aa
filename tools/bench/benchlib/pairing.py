"""What pairs of runs say: each of one build and of another, minutes apart at most."""

import statistics

from .rounds import DISTURBED, noise

UNFIT = ("sparse", "half", "head")  # one server for all runs, or more than a rate


def disturbed(pair):
    return any(sum(noise(report)) > DISTURBED for report in pair)


def verdict(pairs, rate):
    """A line: medians of both, and how the second does in terms of the first. All pairs count where each was disturbed."""
    quiet = [pair for pair in pairs if not disturbed(pair)]
    counted = quiet or pairs
    old, new = ([report[rate] for report in side] for side in zip(*counted))
    ratios = sorted(y / x for x, y in zip(old, new))
    how = f"{len(quiet)} of {len(pairs)} pairs" if quiet else f"{len(pairs)} pairs, all of them disturbed"
    return (f"{statistics.median(old):,.0f} -> {statistics.median(new):,.0f}/s, ratio of pairs {statistics.median(ratios):.2f} "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f}; {how})")
