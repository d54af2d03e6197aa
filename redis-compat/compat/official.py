"""The clients' own time-series suites, from their registries, against a longtaild (official/README.md)."""

import json
import os
import re
import subprocess
import xml.etree.ElementTree as tree

from .clients import BuildFailed, fetch, sh
from .result import Results, judge
from .server import ROOT, new_server

HERE = os.path.join(ROOT, "redis-compat/official")
LIMIT_S = 900


def expected(name):
    """The list of a suite: {"deviations": {test: reason}, "not there yet": {…}, "skipped": {…}}; a test is named without its protocol where
    it fails in both."""
    with open(os.path.join(HERE, f"{name}.json")) as f:
        return json.load(f)


def judge_suite(results, name, protocol, outcomes, skipped):
    """Each test passes, or is listed with its reason; a listed one that passes fails the run too."""
    lists = expected(name)
    failing = {}
    for kind in ("deviations", "not there yet"):
        for test, reason in lists[kind].items():
            of, _, only = test.partition(" RESP")
            if not only or int(only) == protocol:
                failing[of] = f"{kind}: {reason}"
    where = f"{name} RESP{protocol}"
    judge(results, outcomes, failing, where)
    unlisted = sorted(set(skipped) - set(lists["skipped"]))
    results.check(f"{where} skips", not unlisted, f"these were skipped and are not listed: {', '.join(unlisted)}")
    too_many = len(lists["deviations"]) > lists["deviations at most"]
    results.check(f"{where} deviations", not too_many,
                  f"{len(lists['deviations'])} are listed, at most {lists['deviations at most']} are allowed")


def read_junit(path):
    """{test: None or why it failed}, [skipped]. A test is named by its function, 'async ' before those of the other
    file; it passes when it does with all its parameters."""
    outcomes, skipped = {}, []
    for case in tree.parse(path).getroot().iter("testcase"):
        name = case.get("name").partition("[")[0]
        name = f"async {name}" if "asyncio" in case.get("classname") else name
        wrong = [child for child in case if child.tag in ("failure", "error")]
        if wrong:
            outcomes[name] = (wrong[0].get("message") or wrong[0].text or "failed")[:200].replace("\n", " ")
        elif any(child.tag == "skipped" for child in case):
            skipped.append(name)
        else:
            outcomes.setdefault(name, None)
    return outcomes, skipped


def redis_py(stack, scratch):
    results = Results()
    try:
        package = fetch("redis-py")
    except BuildFailed as error:
        results.check("redis-py's suite is fetched", False, str(error))
        return results
    for protocol in (2, 3):
        server = new_server(stack, scratch)
        try:
            run_redis_py(results, package, protocol, server, scratch)
        finally:
            server.end()
    return results


def run_redis_py(results, package, protocol, server, scratch):
    report = os.path.join(scratch, f"redis-py-{protocol}.xml")
    url = f"redis://127.0.0.1:{server.port}/0"
    environment = {**os.environ, "PYTHONPATH": HERE, "PYTHONDONTWRITEBYTECODE": "1"}
    argv = [f"{package}/venv/bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "redis_py_gates", "--tb=line", "-W", "ignore",
            "--redis-url", url, "--redis-mod-url", url, "--protocol", str(protocol), f"--junitxml={report}",
            "tests/test_timeseries.py", "tests/test_asyncio/test_timeseries.py"]
    with open(os.path.join(scratch, f"redis-py-{protocol}.log"), "w") as log:
        subprocess.run(argv, cwd=f"{package}/source", env=environment, stdin=subprocess.DEVNULL, stdout=log,
                       stderr=log, timeout=LIMIT_S)
    if not results.check(f"redis-py RESP{protocol} runs", os.path.exists(report), f"see {log.name}"):
        return
    outcomes, skipped = read_junit(report)
    judge_suite(results, "redis-py", protocol, outcomes, skipped)


def go_redis(stack, scratch):
    """Its suite finds the server by the file that names a managed database; it speaks both protocols itself."""
    results = Results()
    try:
        package = fetch("go-redis")
        program = os.path.join(scratch, "go-redis.test")
        sh([os.path.realpath(f"{package}/go"), "test", "-c", "-o", program, "."], cwd=os.path.realpath(f"{package}/source"))
    except BuildFailed as error:
        results.check("go-redis' suite is built", False, str(error))
        return results
    server = new_server(stack, scratch)
    try:
        run_go_redis(results, os.path.realpath(f"{package}/source"), program, server, scratch)
    finally:
        server.end()
    return results


def run_go_redis(results, source, program, server, scratch):
    endpoints, report = os.path.join(scratch, "endpoints.json"), os.path.join(scratch, "go-redis.xml")
    with open(endpoints, "w") as f:
        json.dump({"standalone": {"endpoints": [f"redis://127.0.0.1:{server.port}"]}}, f)
    environment = {**os.environ, "RE_CLUSTER": "true", "REDIS_ENDPOINTS_CONFIG_PATH": endpoints, "REDIS_VERSION": "8.10"}
    with open(os.path.join(scratch, "go-redis.log"), "w") as log:
        subprocess.run([program, "-test.run", "^TestGinkgoSuite$", "--ginkgo.focus", "RedisTimeseries commands",
                        "--ginkgo.junit-report", report], cwd=source, env=environment, stdin=subprocess.DEVNULL,
                       stdout=log, stderr=log, timeout=LIMIT_S)
    if not results.check("go-redis runs", os.path.exists(report), f"see {log.name}"):
        return
    outcomes, skipped = read_ginkgo(report)
    for protocol in (2, 3):
        of = {name: why for (name, number), why in outcomes.items() if number == protocol}
        judge_suite(results, "go-redis", protocol, of, skipped)


def read_ginkgo(path):
    """{(test, protocol): None or why it failed}, [skipped]; specs that were not chosen are left out."""
    outcomes, skipped = {}, []
    for case in tree.parse(path).getroot().iter("testcase"):
        found = re.match(r"\[It\] RedisTimeseries commands with protocol version (\d) (.*?)( \[.*\])?$", case.get("name"))
        if not found:
            continue
        name, protocol = found[2], int(found[1])
        wrong = [child for child in case if child.tag in ("failure", "error")]
        if wrong:
            outcomes[name, protocol] = (wrong[0].get("message") or "failed")[:300].replace("\n", " ")
        elif case.get("status") == "skipped":
            skipped.append(name)
        else:
            outcomes[name, protocol] = None
    return outcomes, skipped


SUITES = {"redis-py": redis_py, "go-redis": go_redis}
