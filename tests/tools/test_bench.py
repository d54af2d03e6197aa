"""tools/bench/writes: what it makes of runs, and that it runs."""

import glob
import json
import os
import subprocess
import sys
import xml.dom.minidom

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools", "bench"))

from benchlib import machine, pairing, plot, report, rounds, write_report  # noqa: E402
from benchlib.write_scenarios import AWAKE, SCENARIOS  # noqa: E402


def run(rate, p50=1.0, **more):
    return {"points_per_s": rate, "latency_ms": {"p50": p50, "p99": 2 * p50}, "cpu_us_a_point_of": {"longtaild": 0.5},
            "noise": {"others": 0.01, "stolen": 0.02, "handover_us": 20.6}, **more}


def results(**scenarios):
    return {"date": "2026-11-21", "machine": "a machine", "series": 1000000,
            "scenarios": {name: {"title": name, "date": "2026-11-21", "version": "c0ffee1", "rounds": 3, "seconds": 60, "arms": arms}
                          for name, arms in scenarios.items()}}


def verdicts(name, arms):
    """{row: (figure, word)}"""
    scenario = next(scenario for scenario in SCENARIOS if scenario.name == name)
    found = ((check, write_report.verdict(check, arms, None)) for check in scenario.checks)
    return {check.row: (x, word) for check, (x, _, _, word) in found}


# ---- judging ----

def test_median_of_three_decides():
    rows = verdicts("observe-64", {"longtail": [run(9e6), run(4.9e6), run(1e6)]})
    assert rows == {"OBSERVE × 100, 64 connections": (4.9e6, "missed")}
    assert verdicts("observe-64", {"longtail": [run(1e6), run(5e6), run(5e6)]})["OBSERVE × 100, 64 connections"][1] == "reached"


def test_ratios_need_a_peer():
    arms = {"longtail": [run(100_000)], "redis": [run(101_000)]}
    row = "… to RedisTimeSeries without persistence"
    assert verdicts("add-64", arms)[row] == (pytest.approx(0.990, abs=0.001), "missed")
    del arms["redis"]
    assert verdicts("add-64", arms)[row] == (None, "")


@pytest.mark.parametrize("lags, word", [((0, 4.9, 0), "reached"), ((0, 5.1, 0), "missed")])
def test_a_rate_counts_only_where_the_consumer_keeps_up(lags, word):
    arms = {"longtail": [run(2e6, lag_s=lag) for lag in lags]}
    assert verdicts("fast", arms)["dense, as fast as it goes, everything stored"] == (2e6, word)


def test_latency_over_the_bare_library():
    arms = {"longtail": [run(1, p50=0.20)], "roundtrip": [{"p50_ms": 0.15, "rounds_per_s": 6000}]}
    assert verdicts("add-1", arms)["… one over the other"] == (pytest.approx(1.333, abs=0.001), "missed")


def test_growth_is_slowest_over_fastest():
    arms = {"longtail 64": [run(100)], "longtail 1000": [run(90)], "longtail 5000": [run(69)]}
    assert list(verdicts("growth", arms).values()) == [(pytest.approx(0.69), "missed")]


# ---- cores awake ----

def test_cores_are_awake_for_a_while(tmp_path, monkeypatch):
    setting = tmp_path / "guest_halt_poll_ns"
    monkeypatch.setattr(machine, "HALT_POLL", str(setting))
    with pytest.raises(machine.LeftOut, match="idle cores cannot be kept awake here: .*guest_halt_poll_ns: No such file"):
        with machine.awake(200):
            pass
    setting.write_text("0\n")
    with pytest.raises(KeyboardInterrupt):
        with machine.awake(200):
            assert setting.read_text().strip() == "200000"
            raise KeyboardInterrupt
    assert setting.read_text() == "0\n", "as it was, however the run ends"


def test_what_a_hand_over_costs_leaves_the_process_where_it_was():
    cores = os.sched_getaffinity(0)
    meter = machine.Meter({})
    assert os.sched_getaffinity(0) == cores
    _, noise = meter.read(0)
    assert 0 < noise["handover_us"] == meter.handover_us


def test_awake_scenarios_have_rows_of_their_own():
    arms = {"longtail": [run(101_000)], "redis": [run(100_000)]}
    assert verdicts("add-64-awake", arms) == {"TS.ADD, 64 connections, not pipelined, cores awake": (101_000, "reached"),
                                              "… to RedisTimeSeries without persistence": (1.01, "reached")}
    assert [s.name for s in SCENARIOS if s.name.endswith("-awake")] == [f"{s.name}-awake" for s in SCENARIOS if s.name in AWAKE]


# ---- which rounds count ----

def a_round(ours, stolen, peers_stolen=0.0):
    return {"longtail": run(ours) | {"noise": {"others": 0, "stolen": stolen}},
            "roundtrip": {"p50_ms": 0.1, "noise": {"stolen": peers_stolen}}}


def test_rounds_that_nobody_disturbed_are_enough():
    quiet, loud, loud_peer = a_round(1, 0.04), a_round(9, 0.06), a_round(9, 0, 0.5)
    assert not rounds.enough([quiet, quiet], 3, 0) and rounds.enough([loud] * 3, 3, 0), "without --again all of them count"
    assert not rounds.enough([quiet, loud, quiet, loud_peer], 3, 2) and rounds.enough([quiet, loud, quiet, loud_peer, quiet], 3, 9)
    assert rounds.enough([loud] * 5, 3, 2), "there is an end"


def test_the_least_disturbed_rounds_count_whatever_their_figures_are():
    found = [a_round(1, 0.01), a_round(9, 0.3), a_round(2, 0.2), a_round(8, 0.0, 0.9), a_round(3, 0.02)]
    counted, aside = rounds.quietest(found, 3)
    assert [runs["longtail"]["points_per_s"] for runs in counted] == [1, 2, 3], "in the order in which they ran"
    assert [runs["longtail"]["points_per_s"] for runs in aside] == [9, 8]
    same = [a_round(rate, 0.0) for rate in (5, 9, 7, 8)]
    assert [runs["longtail"]["points_per_s"] for runs in rounds.quietest(same, 3)[0]] == [5, 9, 7], "the first, not the fastest"


# ---- pairs of builds ----

def test_pairs_that_were_disturbed_do_not_count():
    def pair(old, new, stolen=0.0):
        return run(old) | {"noise": {"stolen": 0.0}}, run(new) | {"noise": {"stolen": stolen}}
    pairs = [pair(100_000, 110_000), pair(10_000, 90_000, stolen=0.06), pair(50_000, 60_000)]
    assert pairing.verdict(pairs, "points_per_s") == "75,000 -> 85,000/s, ratio of pairs 1.15 (1.10 to 1.20; 2 of 3 pairs)"
    assert pairing.verdict(pairs[1:2], "points_per_s").endswith("9.00 (9.00 to 9.00; 1 pairs, all of them disturbed)")


def test_pairs_wants_two_builds(tmp_path):
    done = subprocess.run([os.path.join(ROOT, "tools/bench/pairs"), str(tmp_path), str(tmp_path), "add-64"], capture_output=True, text=True)
    assert done.returncode == 2 and f"no longtaild in {tmp_path}; make all BUILD={tmp_path} builds it" in done.stderr


# ---- showing ----

def test_page_and_plots(tmp_path):
    page = tmp_path / "benchmarks.md"
    page.write_text(f"above\n{report.BEGIN}\nreads\n{report.END}\nbetween\n{write_report.BEGIN}\nold\n{report.END}\nbelow\n")
    found = results(**{"madd-64": {"longtail": [run(3e6), run(4e6), run(5e6)], "redis": [run(5e5)] * 3},
                       "fsync": {"longtail 8": [run(2e5)] * 3, "redis-always 8": [run(1e5)] * 3}})
    for _ in range(2):  # the second time it replaces what it wrote
        write_report.render(found, tmp_path)
        text = page.read_text()
        assert text.startswith(f"above\n{report.BEGIN}\nreads\n{report.END}\nbetween\n") and text.endswith(f"{report.END}\nbelow\n")
        assert "old" not in text and text.count("| TS.MADD × 100, 64 connections, ingest only |") == 1
    assert "Measured on a machine. 1,000,000 series;" in text
    assert "| madd-64 | 3 × 60 s | Longtail | 3,000,000 | 4,000,000 | 5,000,000 |" in text and "| 1% | 2% | 20.6 µs | 2026-11-21, c0ffee1 |" in text
    assert "| fsync | 3 × 60 s | … appendfsync always 8 | 100,000 |" in text
    found["scenarios"]["fsync"]["aside"] = [{}, {}]
    write_report.render(found, tmp_path)
    assert "| fsync | 3 of 5 × 60 s | … appendfsync always 8 | 100,000 |" in page.read_text()
    assert "benchmarks-points.svg" in text and "benchmarks-single.svg" not in text, "no plot without a figure"
    xml.dom.minidom.parse(str(tmp_path / "benchmarks-points.svg"))


def test_scenarios_that_were_not_measured_again_stay_as_they_were(tmp_path):
    path = tmp_path / "benchmarks.md"
    path.write_text(f"{write_report.BEGIN}\n{report.END}\n")
    late = {"lag_s": 1.5, "applied_per_s": 9e5}
    first = results(**{"madd-64": {"longtail": [run(3e6)] * 3, "redis": [run(5e5)] * 3}, "sparse": {"longtail": [run(8e5, **late)] * 3},
                       "growth": {"longtail 64": [run(1e6)] * 3, "longtail 1000": [run(9e5)] * 3},
                       "new": {"longtail": [run(4e5, lag_s=3.5, applied_per_s=4e5)] * 3}})
    write_report.render(first, tmp_path)
    before, plots = path.read_text().split("\n"), {p: p.read_text() for p in tmp_path.glob("*.svg")}
    again = results(sparse={"longtail": [run(1e6, lag_s=2.5, applied_per_s=1e6)] * 3})
    again["scenarios"]["sparse"] |= {"version": "beef", "date": "2026-11-23"}
    write_report.render(again, tmp_path)
    after = path.read_text().split("\n")
    gone, come = [line for line in before if line not in after], [line for line in after if line not in before]
    assert len(gone) == len(come) == 4, "the rate, what was applied, the lag, and the run"
    assert len(before) == len(after) and "1,000,000" in come[0] and "2.5 s" in come[2] and "2026-11-23, beef" in come[3]
    changed = [p.name for p, text in plots.items() if p.read_text() != text]
    assert changed == ["benchmarks-stored.svg"]


def test_every_scenario_can_be_summed_up_when_it_is_empty():
    assert list(write_report.summary(results())) == []
    for scenario in SCENARIOS:
        for check in scenario.checks:
            assert check.figure({}, None) is None, check.row


def test_bars_stay_within_the_picture():
    for highest in (3, 177_500, 999_999, 1_000_000, 5.1e6):
        text = plot.bars("t & t", "points/s", [("a < b", [plot.Bar("x", highest / 3, highest / 2, highest)])], ["x"])
        picture = xml.dom.minidom.parseString(text)
        ends = [float(line.getAttribute("x1")) for line in picture.getElementsByTagName("line")]
        assert 4 <= len(ends) <= 9 and ends[0] == plot.LEFT and max(ends) <= plot.WIDTH - plot.RIGHT + 0.1
        assert max(float(r.getAttribute("width")) for r in picture.getElementsByTagName("rect")) <= plot.WIDTH


# ---- running ----

def test_it_runs(tmp_path):
    """Two scenarios with real servers: one that only acknowledges, one that stores."""
    var = tmp_path / "var"
    argv = [os.path.join(ROOT, "tools/bench/writes"), "--quick", "--no-peers", "--var", str(var), "--build",
            os.environ.get("BUILD", "build"), "add-1", "dense"]
    page = os.path.join(ROOT, "docs", "benchmarks.md")
    with open(page) as f:
        before = f.read()
    done = subprocess.run(argv, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    with open(f"{var}-quick/results.json") as f:
        scenarios = json.load(f)["scenarios"]
    assert set(scenarios) == {"add-1", "dense"}
    stored = scenarios["dense"]["arms"]["longtail"][0]
    assert stored["points_acked"] == stored["points_sent"] == 300_000 and stored["lag_s"] >= 0
    assert set(stored["cpu_us_a_point_of"]) == {"longtaild", "broker", "mariadb"}
    roundtrip = scenarios["add-1"]["arms"]["roundtrip"][0]
    assert roundtrip["p50_ms"] > 0 and roundtrip["noise"]["handover_us"] > 0 and stored["noise"]["handover_us"] > 0
    assert "one TS.ADD: p50" in done.stdout
    with open(page) as f:
        assert f.read() == before, "a quick run is no figure"
    assert not os.path.exists(f"{var}-quick/runs")
    assert not glob.glob(f"{var}-quick/mariadb/data/w*"), "its databases are gone"
    assert not glob.glob(f"{var}-quick/kafka/data/w*-0"), "its topics are gone, or about to"


@pytest.mark.parametrize("program, first", [("writes", "madd-64"), ("reads", "hour")])
def test_unknown_scenarios_are_refused(program, first):
    done = subprocess.run([os.path.join(ROOT, "tools/bench", program), "no-such"], capture_output=True, text=True)
    assert done.returncode == 2 and f"no scenario no-such; there are: {first}" in done.stderr


def test_help_says_what_rounds_count():
    done = subprocess.run([os.path.join(ROOT, "tools/bench/writes"), "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "over 5 % of the cores" in " ".join(done.stdout.split()), done.stderr
    assert rounds.DISTURBED == 0.05
