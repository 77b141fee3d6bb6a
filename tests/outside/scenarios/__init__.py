"""The scenarios. Each is a function, named after its requirement."""

from dataclasses import dataclass, field
from typing import Callable

ALL = []


@dataclass
class Scenario:
    name: str
    run: Callable
    needs: list = field(default_factory=list)
    quick: bool = True
    expected_to_fail: str | None = None
    failing_with: str = ""


def scenario(*needs, quick=True, expected_to_fail=None, failing_with="", each=None):
    """Registers a function as a scenario, or as one scenario for each value of its argument.

    `needs` are tools of `tools.py`, in addition to the tool that the argument names. A scenario
    that is not `quick` is left out by `--quick`. `expected_to_fail` is a reason: the scenario must
    fail, with a failure that contains `failing_with`. So the mark is removed when it no longer
    applies.
    """

    def register(function):
        for value in each or [None]:
            name = function.__name__.replace("_", "-")
            run = function
            tools = list(needs)
            if value is not None:
                name += f":{value}"
                run = lambda value=value: function(value)
                tools.append(value.split("-")[0])
            ALL.append(Scenario(name, run, tools, quick, expected_to_fail, failing_with))
        return function

    return register
