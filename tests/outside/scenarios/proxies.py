"""Reverse proxies between `iox` and its controller, with and without TLS."""

import tempfile
from contextlib import contextmanager
from pathlib import Path

import tools
from program import Program, Simulate, Watch, check, free_port, wait_for_port
from scenarios import scenario

NGINX = """
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port}{ssl};
        {certificate}
        location /home/ {{
            proxy_pass http://127.0.0.1:{controller}/;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_connect_timeout 2s;
            proxy_read_timeout {idle}s;
        }}
    }}
}}
"""

HAPROXY = """
defaults
    mode http
    timeout connect 2s
    timeout client {idle}s
    timeout server {idle}s
    timeout tunnel {idle}s
frontend house
    bind 127.0.0.1:{port}{ssl}
    http-request replace-path /home(/.*) \\1
    default_backend controller
backend controller
    server controller 127.0.0.1:{controller}
"""

PROXIES = ["nginx-plain", "nginx-tls", "haproxy-plain", "haproxy-tls"]


class Proxy:
    """A proxy on its own port, which can be killed and restarted.

    It serves the controller below the path `/home`, and ends a connection on which nothing is sent
    for `idle` seconds.
    """

    def __init__(self, kind, folder, controller, idle=60):
        name, link = kind.split("-")
        self.tls = link == "tls"
        self.port = free_port()
        identity = folder / "identity.pem"
        self.arguments = []
        if self.tls:
            with Simulate(0, "--identity", identity) as made:
                self.arguments = ["--pin", made.said["fingerprint"]]
        values = {"folder": folder, "port": self.port, "controller": controller, "idle": idle}
        configuration = folder / "configuration"
        if name == "nginx":
            values["ssl"] = " ssl" if self.tls else ""
            certificate = f"ssl_certificate {identity}; ssl_certificate_key {identity};"
            values["certificate"] = certificate if self.tls else ""
            configuration.write_text(NGINX.format(**values))
            self.command = ["-p", folder, "-e", folder / "error.log", "-c", configuration]
        else:
            values["ssl"] = f" ssl crt {identity}" if self.tls else ""
            configuration.write_text(HAPROXY.format(**values))
            self.command = ["-db", "-f", configuration]
        self.command.insert(0, tools.debian_program(name))
        self.program = None
        self.start()

    def start(self):
        self.program = Program(self.command, env=tools.environment())
        wait_for_port(self.port)

    def kill(self):
        self.program.kill()

    def watch(self):
        scheme = "https" if self.tls else "http"
        return Watch(f"{scheme}://127.0.0.1:{self.port}/home", *self.arguments)


@contextmanager
def proxied(kind, *simulate, idle=60):
    """A simulated controller behind a proxy."""
    with tempfile.TemporaryDirectory(dir=tools.HOME) as folder:
        with Simulate(free_port(), *simulate) as controller:
            port = controller.said["url"].rsplit(":", 1)[1]
            proxy = Proxy(kind, Path(folder), port, idle)
            try:
                yield proxy, port, controller
            finally:
                proxy.kill()


def check_numbers(events):
    """Checks that the events of one connection are complete and in order."""
    numbers = [event["seqnum"] for event in events]
    check(numbers == list(range(len(numbers))), f"numbers: {numbers}")


@scenario(each=PROXIES)
def replay_and_live_come_through_a_proxy(kind):
    with proxied(kind, "--rate", "20") as (proxy, _, _), proxy.watch() as watch:
        watch.status("connected")
        replayed = len(watch.events())
        check(replayed > 40, f"a replay of {replayed} events")
        # The simulator's live events begin during the drain. No replayed event may be live.
        changes = [event for event in watch.events() if event["live"]]
        check(not changes, f"live before connected: {changes}")
        for _ in range(40):
            watch.until("a live event", lambda shown: shown.get("live"))
        watch.stop()
        events = watch.events()
        check_numbers(events)
        marks = [event["live"] for event in events]
        check(marks == sorted(marks), "an event after the first live one is not live")
        check(not watch.of_type("gap") and not watch.of_type("malformed"), f"{watch.shown}")
        check(watch.statuses()[:3] == ["stream_initializing", "stream_syncing", "connected"],
              f"{watch.statuses()}")
        watch.check_no_stray_lines()


@scenario(each=PROXIES)
def a_proxy_that_is_killed_and_restarted_is_used_again(kind):
    with proxied(kind, "--rate", "0") as (proxy, _, _), proxy.watch() as watch:
        watch.status("connected")
        first = len(watch.shown)
        proxy.kill()
        watch.status("lost_connection")
        proxy.start()
        watch.status("stream_syncing")
        watch.status("connected")
        again = [shown for shown in watch.shown[first:] if shown["type"] == "event"]
        check_numbers(again)
        check(not any(event["live"] for event in again), "a replayed event is reported as live")
        watch.stop()
        watch.check_no_stray_lines()


@scenario(each=PROXIES)
def a_proxy_without_its_controller_is_reported_and_retried(kind):
    # nginx answers 502, HAProxy 503.
    status = "502" if kind.startswith("nginx") else "503"
    with proxied(kind, "--rate", "0") as (proxy, port, controller), proxy.watch() as watch:
        watch.status("connected")
        controller.kill()
        watch.status("lost_connection")
        lost = watch.status("lost_connection")
        check(lost["reason"] == "upgrade_refused", f"{lost}")
        watch.says(status)
        with Simulate(port, "--rate", "0"):
            watch.status("connected")
            watch.stop()
            watch.check_no_stray_lines()


@scenario(each=["nginx-plain", "haproxy-tls"])
def a_proxy_that_ends_idle_connections_is_survived(kind):
    with proxied(kind, "--rate", "0", idle=3) as (proxy, _, _), proxy.watch() as watch:
        watch.status("connected")
        lost = watch.recovers()
        check(lost["reason"] is not None, f"{lost}")
        watch.status("connected")
        watch.stop()
