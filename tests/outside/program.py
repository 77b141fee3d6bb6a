"""The programs that a scenario runs: `iox watch`, `iox simulate` and third-party ones."""

import json
import os
import queue
import signal
import socket
import subprocess
import threading
import time
from base64 import b64encode
from pathlib import Path

import tools

IOX = tools.TARGET / "debug" / "iox"
CONTROLLERS = Path(__file__).parent / "controllers"

# Seconds. Nothing takes this long, not even on a busy machine.
LIMIT = 60


class Failed(Exception):
    """An expectation that was not met."""


def check(holds, message):
    if not holds:
        raise Failed(message)


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def wait_for_port(port):
    """Waits until a program listens on this port."""
    until = time.monotonic() + LIMIT
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), LIMIT).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.01)
    raise Failed(f"no program listens on port {port}")


class Program:
    """A running program, whose standard output is read line by line."""

    def __init__(self, command, stdin=subprocess.DEVNULL, **options):
        self.name = Path(str(command[0])).name
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Child processes end with it.
            start_new_session=True,
            **options,
        )
        self.lines = queue.Queue()
        self.errors = []
        self.news = threading.Condition()
        self.readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self.lines.put)),
            threading.Thread(target=self._read, args=(self.process.stderr, self._hear)),
        ]
        for reader in self.readers:
            reader.daemon = True
            reader.start()

    def _read(self, pipe, take):
        for line in pipe:
            take(line.decode("utf-8", "replace").rstrip("\n"))
        if pipe is self.process.stdout:
            self.lines.put(None)

    def _hear(self, line):
        with self.news:
            self.errors.append(line)
            self.news.notify_all()

    def line(self, what, within=LIMIT):
        """Returns the next line; `None` at the end of the output."""
        try:
            return self.lines.get(timeout=within)
        except queue.Empty:
            said = f"it said: {self.errors}"
            raise Failed(f"{self.name}: timed out waiting for {what}; {said}") from None

    def signal(self, number):
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait()

    def wait(self):
        """Waits for the end, and returns the exit code."""
        try:
            code = self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} does not end; it said: {self.errors}") from None
        for reader in self.readers:
            reader.join()
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


class Watch(Program):
    """`iox watch`, and everything that it has printed so far."""

    # The driver of the stream.
    transport = "tokio"

    def __init__(self, url, *arguments, username="admin", password="admin", prefix=()):
        self.shown = []
        environment = {
            **os.environ,
            "IOX_PASSWORD": password,
            # No configuration of the current user is used.
            "XDG_CONFIG_HOME": str(tools.HOME / "nothing"),
        }
        command = [*prefix, IOX, "watch", url, "--username", username]
        # Third-party controllers have no names to read.
        own = ["--format", "json", "--no-names", "--transport", self.transport]
        super().__init__([*command, *own, *arguments], env=environment)

    def take(self, what, within=LIMIT):
        """Returns the next object; `None` at the end."""
        line = self.line(what, within)
        if line is None:
            return None
        try:
            shown = json.loads(line)
        except ValueError:
            raise Failed(f"stray output: {line!r}") from None
        check(
            shown.get("type") in ("status", "event", "malformed", "ignored", "gap"),
            f"stray output: {line!r}",
        )
        self.shown.append(shown)
        return shown

    def until(self, what, fits, within=LIMIT):
        """Takes objects up to the first one that fits."""
        while True:
            shown = self.take(what, within)
            check(shown is not None, f"ended before {what}; it said: {self.errors}")
            if fits(shown):
                return shown

    def status(self, status, within=LIMIT):
        return self.until(status, lambda shown: shown.get("status") == status, within)

    def recovers(self):
        """Takes the statuses from a loss to the next attempt, in their order. Returns the loss."""
        lost = self.status("lost_connection")
        self.expect_status("reconnecting")
        self.expect_status("stream_initializing")
        return lost

    def expect_status(self, status):
        """Takes objects up to the next change of status, which must be this one."""
        changes = lambda shown: shown["type"] == "status"
        shown = self.until(status, changes)
        check(shown["status"] == status, f"expected {status}, got {shown}")
        return shown

    def control(self, control, action):
        """Takes objects up to this event."""
        fits = lambda shown: (shown.get("control"), shown.get("action")) == (control, action)
        return self.until(f"{control} {action}", fits)

    def statuses(self):
        return [shown["status"] for shown in self.shown if shown["type"] == "status"]

    def events(self):
        return [shown for shown in self.shown if shown["type"] == "event"]

    def of_type(self, kind):
        return [shown for shown in self.shown if shown["type"] == kind]

    def ends(self, code):
        """Takes what is left, and checks that the program ends by itself with this exit code."""
        while self.take("the end") is not None:
            pass
        ended = self.wait()
        check(ended == code, f"exit code {ended} instead of {code}; it said: {self.errors}")

    def stop(self):
        """Presses Ctrl-C, and checks that the program ends cleanly."""
        self.signal(signal.SIGINT)
        self.ends(0)
        check(self.statuses()[-1] == "disconnected", f"at the end: {self.statuses()}")

    def says(self, *parts):
        """Waits for a line on standard error that contains all of these."""
        fits = lambda line: all(part in line for part in parts)
        with self.news:
            said = self.news.wait_for(lambda: any(map(fits, self.errors)), LIMIT)
        check(said, f"no line with {parts}: {self.errors}")

    def check_no_stray_lines(self):
        """Checks that standard error has only the program's own lines."""
        stray = [line for line in self.errors if line and not line.startswith("iox: ")]
        check(not stray, f"stray lines: {stray}")


class Simulate(Program):
    """`iox simulate`, on this port."""

    def __init__(self, port, *arguments, bind="127.0.0.1", prefix=()):
        command = [*prefix, IOX, "simulate", "--port", port, "--bind", bind, *arguments]
        super().__init__(command)
        self.said = {}
        while True:
            line = self.line("its introduction")
            check(line is not None, f"iox simulate has ended: {self.errors}")
            if line.startswith("Ctrl-C"):
                return
            name, _, value = line.partition(" ")
            self.said[name] = value.strip()


class Controller(Program):
    """A third-party controller of `controllers/`."""

    def __init__(
        self, kind, replay, port=0, identity=None, host="127.0.0.1", pace=0, prefix=()
    ):
        command = {
            "aiohttp": [tools.PYTHON, CONTROLLERS / "aiohttp_controller.py"],
            "websockets": [tools.PYTHON, CONTROLLERS / "websockets_controller.py"],
            "ws": ["node", CONTROLLERS / "ws_controller.js"],
        }[kind]
        options = {
            "host": host,
            "port": port,
            "pace": pace,
            "identity": identity and str(identity),
            "replay": [_text(message) for message in replay],
        }
        environment = {**os.environ, "NODE_PATH": str(tools.NODE_MODULES)}
        super().__init__(
            [*prefix, *command], stdin=subprocess.PIPE, env=environment
        )
        self.send(**options)
        self.port = self.reports("listening")["listening"]

    def reports(self, what):
        """Waits for this report."""
        while True:
            line = self.line(what)
            check(line is not None, f"the controller has ended: {self.errors}")
            report = json.loads(line)
            if what in report:
                return report

    def send(self, **command):
        for name in ("text", "binary"):
            if name in command:
                command[name] = _text(command[name])
        if "fragments" in command:
            command["fragments"] = [_text(part) for part in command["fragments"]]
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        self.process.stdin.flush()


def _text(message):
    return b64encode(message.encode() if isinstance(message, str) else message).decode()
