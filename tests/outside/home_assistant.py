#!/usr/bin/env python3
"""Tests the bridge and a simulated house with a real Home Assistant.

Runs on demand, not in CI. It needs root, debootstrap, mosquitto and about 1.2 GB of disk. The first
set-up takes two to four minutes: Home Assistant needs a newer Python than most systems have, and
gets its own Debian in a folder. Each later run takes 30 s.

    cargo build --bin iox && sudo tests/outside/home_assistant.py [--folder FOLDER]
"""

import argparse
import json
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

VERSION = "2026.11.0"
ROOT = pathlib.Path(__file__).resolve().parents[2]
IOX = ROOT / "target/debug/iox"
USER = ("trial", "trial-password")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = ROOT / "target/outside/home-assistant"
    parser.add_argument("--folder", type=pathlib.Path, default=default)
    folder = parser.parse_args().folder.resolve()
    for program in ("debootstrap", "mosquitto"):
        if not (shutil.which(program) or pathlib.Path("/usr/sbin", program).exists()):
            sys.exit(f"{program} is not installed")
    install(folder / "sid")
    with Trial(folder) as trial:
        trial.run()
    print("all as expected")


def install(sid):
    """Installs Home Assistant in its own Debian."""
    if not (sid / "usr/bin/python3").exists():
        packages = "--include=python3,python3-venv,ca-certificates"
        subprocess.run(["debootstrap", "--variant=minbase", packages, "sid", sid], check=True)
    shutil.copy("/etc/resolv.conf", sid / "etc/resolv.conf")
    bundle = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
    if bundle.exists():
        shutil.copy(bundle, sid / "etc/ssl/certs/ca-certificates.crt")
    pip = pathlib.Path("/etc/pip.conf")
    if pip.exists():
        shutil.copy(pip, sid / "etc/pip.conf")
    if not (sid / "venv/bin/hass").exists():
        run_inside(sid, "python3", "-m", "venv", "/venv")
        wanted = [f"homeassistant=={VERSION}", "paho-mqtt==2.1.0"]
        run_inside(sid, "/venv/bin/pip", "install", "--quiet", *wanted)


def run_inside(sid, *command, **options):
    return subprocess.run(["chroot", sid, *command], check=True, **options)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Trial:
    """Runs the broker, the simulated controller, the bridge and Home Assistant, and checks them."""

    def __init__(self, folder):
        self.folder = folder
        self.sid = folder / "sid"
        self.processes = {}
        self.ports = {name: free_port() for name in ("broker", "controller", "home")}
        self.token = None

    def __enter__(self):
        subprocess.run(["mount", "--bind", "/proc", self.sid / "proc"], check=True)
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes.values()):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
        subprocess.run(["umount", self.sid / "proc"], check=False)

    def start(self, name, *command):
        log = open(self.folder / f"{name}.log", "wb")
        self.processes[name] = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    def run(self):
        config = self.folder / "mosquitto.conf"
        config.write_text(
            f"listener {self.ports['broker']} 127.0.0.1\nallow_anonymous true\npersistence false\n"
        )
        broker = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self.start("mosquitto", broker, "-c", config)
        port = str(self.ports["controller"])
        self.start("controller", IOX, "simulate", "--port", port)
        self.configure_home_assistant()
        self.start_home_assistant()
        settings = self.folder / "iox.toml"
        settings.write_text(
            f"""[controllers.home]
url = "http://127.0.0.1:{port}"
username = "admin"
password = "admin"
[bridge]
allow = ["locks", "covers", "alarms"]
[mqtt]
host = "127.0.0.1"
port = {self.ports["broker"]}
[http]
enabled = false
"""
        )
        settings.chmod(0o600)
        self.start("bridge", IOX, "bridge", "--config", settings)
        self.expect("the lamp is there", lambda: self.state("light.hall_lamp") is not None)
        self.expect("it is available", lambda: self.state("light.hall_lamp") in ("on", "off"))
        states = {entity["entity_id"]: entity for entity in self.get("/api/states")}
        by_domain = {}
        for name in states:
            by_domain.setdefault(name.split(".")[0], []).append(name)
        print({domain: len(names) for domain, names in sorted(by_domain.items())})
        mistakes = [
            line
            for line in (self.folder / "home.log").read_text(errors="replace").splitlines()
            if re.search(r"(ERROR|WARNING).*mqtt", line)
        ]
        for line in mistakes:
            print(line)
        assert not mistakes, "Home Assistant logged errors or warnings about MQTT"
        self.command_everything(by_domain, states)
        self.start_again(states)

    def command_everything(self, by_domain, states):
        lamp = {"entity_id": "light.hall_lamp"}
        self.call("light/turn_off", lamp)
        self.expect("the lamp is off", lambda: self.state("light.hall_lamp") == "off")
        self.call("light/turn_on", lamp | {"brightness": 64})
        self.expect("it has its brightness", lambda: self.attribute("light.hall_lamp", "brightness") == 64)
        self.call("light/turn_on", lamp | {"brightness_pct": 100})
        self.expect("it is full on", lambda: self.attribute("light.hall_lamp", "brightness") == 255)
        for domain, service, expected in [
            ("lock", "lock", "locked"),
            ("lock", "unlock", "unlocked"),
            ("switch", "turn_on", "on"),
            ("switch", "turn_off", "off"),
        ]:
            names = [name for name in by_domain.get(domain, []) if states[name]["state"] != "unavailable"]
            if not names:
                print(f"no {domain} in this house")
                continue
            self.call(f"{domain}/{service}", {"entity_id": names[0]})
            self.expect(f"{names[0]} {expected}", lambda: self.state(names[0]) == expected)
        for name in by_domain.get("climate", []):
            print(name, states[name]["state"], json.dumps(states[name]["attributes"])[:300])
            self.call("climate/set_hvac_mode", {"entity_id": name, "hvac_mode": "cool"})
            self.expect(f"{name} cools", lambda: self.state(name) == "cool")

    def start_again(self, states):
        """Restarts Home Assistant, and checks what it knows afterwards."""
        home = self.processes["home"]
        home.send_signal(signal.SIGTERM)
        home.wait(timeout=60)
        self.start_home_assistant()
        self.expect("the lamp is back", lambda: self.state("light.hall_lamp") == "on")
        back = {entity["entity_id"] for entity in self.get("/api/states")}
        missing = {name for name in states if name.split(".")[0] in ("light", "lock", "switch")} - back
        assert not missing, f"missing after a restart: {missing}"

    def configure_home_assistant(self):
        config = self.sid / "config"
        shutil.rmtree(config, ignore_errors=True)
        storage = config / ".storage"
        storage.mkdir(parents=True)
        port = self.ports["home"]
        (config / "configuration.yaml").write_text(
            f"http:\n  server_host: 127.0.0.1\n  server_port: {port}\napi:\nlogger:\n  default: warning\n"
        )
        entry = {
            "entry_id": "mqtt",
            "version": 1,
            "domain": "mqtt",
            "title": "MQTT",
            "data": {
                "broker": "127.0.0.1",
                "port": self.ports["broker"],
                "discovery": True,
                "discovery_prefix": "homeassistant",
            },
            "options": {},
            "source": "user",
            "unique_id": None,
            "disabled_by": None,
            "pref_disable_new_entities": False,
            "pref_disable_polling": False,
        }
        store(storage, "core.config_entries", 1, {"entries": [entry]})
        done = ["user", "core_config", "analytics", "integration"]
        store(storage, "onboarding", 4, {"done": done})
        add = ["/venv/bin/hass", "--script", "auth", "-c", "/config", "add", *USER]
        run_inside(self.sid, *add, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start_home_assistant(self):
        hass = ("chroot", self.sid, "/venv/bin/hass", "-c", "/config")
        self.start("home", *hass)
        self.expect("Home Assistant answers", lambda: self.signed_in(), within=240)

    def signed_in(self):
        client = f"http://127.0.0.1:{self.ports['home']}/"
        flow = {"client_id": client, "handler": ["homeassistant", None], "redirect_uri": client}
        flow = self.post("/auth/login_flow", flow)
        user, password = USER
        answer = {"client_id": client, "username": user, "password": password}
        code = self.post(f"/auth/login_flow/{flow['flow_id']}", answer)["result"]
        form = {"grant_type": "authorization_code", "code": code, "client_id": client}
        form = urllib.parse.urlencode(form).encode()
        kind = "application/x-www-form-urlencoded"
        self.token = self.request("/auth/token", form, kind)["access_token"]
        return True

    def request(self, path, body=None, kind="application/json"):
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports['home']}{path}", body)
        request.add_header("Content-Type", kind)
        if self.token and not path.startswith("/auth"):
            request.add_header("Authorization", f"Bearer {self.token}")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def get(self, path):
        return self.request(path)

    def post(self, path, value):
        return self.request(path, json.dumps(value).encode())

    def call(self, service, data):
        self.post(f"/api/services/{service}", data)

    def state(self, name):
        try:
            return self.get(f"/api/states/{name}")["state"]
        except urllib.error.HTTPError:
            return None

    def attribute(self, name, attribute):
        return self.get(f"/api/states/{name}")["attributes"].get(attribute)

    def expect(self, what, holds, within=90):
        end = time.monotonic() + within
        while True:
            try:
                if holds():
                    break
            except (OSError, KeyError, ValueError):
                pass
            if time.monotonic() > end:
                for name, process in self.processes.items():
                    print(f"{name}: {'runs' if process.poll() is None else process.returncode}")
                sys.exit(f"not in time: {what} (the logs are in {self.folder})")
            time.sleep(0.2)
        print(f"ok  {what}")


def store(storage, key, version, data):
    text = {"version": version, "minor_version": 1, "key": key, "data": data}
    (storage / key).write_text(json.dumps(text))


if __name__ == "__main__":
    main()
