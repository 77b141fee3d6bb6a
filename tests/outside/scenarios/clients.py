"""Third-party clients against the simulated controller."""

import json
import subprocess
from pathlib import Path

import tools
from program import IOX, LIMIT, Program, Simulate, check, free_port
from scenarios import scenario

CLIENTS = Path(__file__).parents[1] / "clients"


def listed(url):
    """Returns the names of the nodes as `iox` lists them."""
    command = [IOX, "list", "nodes", url, "--username", "admin"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=LIMIT, env={"IOX_PASSWORD": "admin"}
    )
    check(done.returncode == 0, f"iox list nodes: {done.stderr}")
    head, *rows = done.stdout.splitlines()
    return sorted(row[: head.index("IN")].strip() for row in rows)


def starts_shows_the_house_and_commands_it(script, account):
    port = free_port()
    client = [tools.PYTHON, CLIENTS / script, f"http://127.0.0.1:{port}"]
    with Simulate(port, "--nodes", "12", "--rate", "0") as simulator:
        url = simulator.said["url"]
        with Program([*client, *account]) as client:
            report = lambda what: json.loads(client.line(what) or "{}")
            names = report("the names of the nodes").get("names")
            check(names == listed(url), f"{names} and {listed(url)}; it said: {client.errors}")
            for status in (0, 255):
                lamp = report("the status of the lamp")
                check(lamp.get("status") == status, f"{lamp}; it said: {client.errors}")
            program = report("the program")
            check(program.get("accepted") is True, f"{program}; it said: {client.errors}")
            check(client.wait() == 0, f"it said: {client.errors}")


@scenario("pyisy")
def pyisy_starts_shows_the_house_and_commands_it():
    starts_shows_the_house_and_commands_it("pyisy_client.py", ["admin", "admin"])


@scenario("pyisyox")
def pyisyox_starts_shows_the_house_and_commands_it():
    starts_shows_the_house_and_commands_it("pyisyox_client.py", ["user@example.test", "secret"])
