#!/usr/bin/env python3
"""Runs the program `iox` against third-party servers and proxies, and over a slow link.

Installs the tools that this needs into `target/outside`. If a tool cannot be installed, it is
listed and its scenarios are skipped.
"""

import argparse
import subprocess
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import tools
from program import Failed, Watch
# Each registers its scenarios. The longest come first, so that the others run meanwhile.
from scenarios import ALL, shaped_link, proxies, servers, clients  # noqa: F401

# Most of the time is spent while `iox` waits.
AT_ONCE = 4


def run(scenario):
    """Runs one scenario, and prints a line about it. Returns whether its outcome is as expected."""
    began = time.monotonic()
    broken, failure = False, None
    try:
        scenario.run()
    except Failed as failed:
        failure = str(failed)
    except Exception:
        # The scenario itself is broken, which is never an expected failure.
        broken, failure = True, traceback.format_exc()
    took = f"{time.monotonic() - began:.0f} s"
    reason = scenario.expected_to_fail
    if reason:
        good = not broken and failure is not None and scenario.failing_with in failure
    else:
        good = failure is None
    if failure is None:
        line = "ok" if good else "FAILED   passed, but was expected to fail: remove the mark:"
    else:
        line = f"fails, as expected: {reason}:" if good else "FAILED  "
    print(f"{line} {scenario.name} ({took}){f': {failure}' if failure else ''}", flush=True)
    return good


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="leave out scenarios of a minute")
    arguments.add_argument("--list", action="store_true", help="list the scenarios and exit")
    arguments.add_argument(
        "--transport", default=Watch.transport, help="the driver of the streams"
    )
    arguments.add_argument("part", nargs="*", help="only scenarios with this in their names")
    options = arguments.parse_args()
    Watch.transport = options.transport
    chosen = [
        scenario
        for scenario in ALL
        if (scenario.quick or not options.quick)
        and (not options.part or any(part in scenario.name for part in options.part))
    ]
    if options.list:
        for scenario in chosen:
            print(scenario.name)
        return 0
    build = ["cargo", "build", "--locked", "--quiet", "-p", "ioxcli"]
    if subprocess.run(build, cwd=tools.PROJECT).returncode != 0:
        return 1
    needed = dict.fromkeys(tool for scenario in chosen for tool in scenario.needs)
    absent = tools.absent(needed)
    for tool, reason in absent.items():
        print(f"SKIPPED  everything with {tool}: {reason}", flush=True)
    possible = [scenario for scenario in chosen if not absent.keys() & set(scenario.needs)]
    possible.sort(key=lambda scenario: scenario.quick)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = list(pool.map(run, possible))
    failed = outcomes.count(False)
    skipped = len(chosen) - len(possible)
    print(f"{len(outcomes) - failed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not outcomes else 0


if __name__ == "__main__":
    sys.exit(main())
