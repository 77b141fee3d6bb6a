"""Third-party clients against the simulated controller."""

import json
import subprocess
from pathlib import Path

import tools
from program import IOX, LIMIT, Program, Simulate, check, free_port
from scenarios import scenario

CLIENTS = Path(__file__).parents[1] / "clients"


def listed(url):
    """The names of the nodes as `iox` lists them."""
    command = [IOX, "list", "nodes", url, "--username", "admin"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=LIMIT, env={"IOX_PASSWORD": "admin"}
    )
    check(done.returncode == 0, f"iox list nodes: {done.stderr}")
    head, *rows = done.stdout.splitlines()
    return sorted(row[: head.index("IN")].strip() for row in rows)


@scenario("pyisy")
def pyisy_starts_shows_the_house_and_commands_it():
    port = free_port()
    client = [tools.PYTHON, CLIENTS / "pyisy_client.py", f"http://127.0.0.1:{port}"]
    with Simulate(port, "--nodes", "12", "--rate", "0") as simulator:
        url = simulator.said["url"]
        with Program([*client, "admin", "admin"]) as pyisy:
            report = lambda what: json.loads(pyisy.line(what) or "{}")
            names = report("the names of the nodes").get("names")
            check(names == listed(url), f"{names} and {listed(url)}; it said: {pyisy.errors}")
            for status in (0, 255):
                lamp = report("the status of the lamp")
                check(lamp.get("status") == status, f"{lamp}; it said: {pyisy.errors}")
            program = report("the program")
            check(program.get("accepted") is True, f"{program}; it said: {pyisy.errors}")
            check(pyisy.wait() == 0, f"it said: {pyisy.errors}")
