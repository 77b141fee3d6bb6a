"""The scenarios. Each is a function, named after what must hold."""

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
    """Makes a scenario of a function, or one of each value for its argument.

    `needs` are tools of `tools.py`, beside the argument where it is one. A scenario that is not
    `quick` is left out by `--quick`. `expected_to_fail` is a reason: it must fail then, with a
    failure that contains `failing_with`, so that the mark is removed once it no longer applies.
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
