"""What a run of checks found."""


class Results:
    """Counts, and what to print of the failures."""

    def __init__(self):
        self.passed = 0
        self.failures = []

    def check(self, name, good, why=""):
        if good:
            self.passed += 1
        else:
            self.failures.append(f"{name}: {why}" if why else name)
        return good

    def add(self, other):
        self.passed += other.passed
        self.failures += other.failures

    def text(self):
        failed = f", {len(self.failures)} failed" if self.failures else ""
        return f"{self.passed} passed{failed}"


def judge(results, outcomes, expected, where):
    """Both ways: each of `outcomes` (name → None, or why it failed) must pass unless `expected` (name → reason)
    lists it, and each listed one must fail."""
    for name, why in outcomes.items():
        if name in expected:
            results.check(f"{where} {name}", why is not None,
                          f"it passes, but is listed as '{expected[name]}': take it off the list")
        else:
            results.check(f"{where} {name}", why is None, why)
    for name in expected:
        if name not in outcomes:
            results.check(f"{where} {name}", False, "it is listed, but there is no such test: take it off the list")
