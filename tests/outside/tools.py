"""Installs the third-party programs into `target/outside`, and returns which are missing.

Nothing is installed globally: Python packages go into a virtual environment, Node packages into a
folder, and Debian packages are downloaded and unpacked.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", PROJECT / "target")).resolve()
HOME = TARGET / "outside"

PYTHON = HOME / "python" / "bin" / "python"
NODE_MODULES = HOME / "node_modules"
DEBIAN = HOME / "debian"

PYTHON_PACKAGES = ["aiohttp==3.14.5", "websockets==17.4", "pyisy==3.8.0", "pyisyox==6.0.1"]
NODE_PACKAGES = ["ws@8.23.0"]
# The last three are libraries of HAProxy that a minimal Debian system lacks.
DEBIAN_PACKAGES = {
    "nginx": ["nginx"],
    "haproxy": ["haproxy", "liblua5.3-0", "libopentracing-c-wrapper0", "libopentracing1"],
}


class Absent(Exception):
    """A tool that is missing and cannot be installed, with the reason."""


def run(*command, **options):
    """Runs a command quietly. Its last line of output is shown only if it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )
    if done.returncode != 0:
        last = (done.stdout.strip().splitlines() or ["no output"])[-1]
        raise Absent(f"{command[0]} failed: {last}")
    return done.stdout


def python_package(name):
    """Returns a Python that can import this package."""
    if not PYTHON.exists():
        run(sys.executable, "-m", "venv", HOME / "python")
    wanted = next(package for package in PYTHON_PACKAGES if package.startswith(name + "=="))
    marker = HOME / f"python-{wanted}"
    if not marker.exists():
        run(PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wanted)
        marker.touch()
    return PYTHON


def node_package(name):
    """Returns a Node that can load this package."""
    node = shutil.which("node")
    if not node:
        raise Absent("there is no node")
    wanted = next(package for package in NODE_PACKAGES if package.startswith(name + "@"))
    marker = HOME / f"node-{wanted}"
    if not marker.exists():
        run("npm", "install", "--no-fund", "--no-audit", "--prefix", HOME, wanted)
        marker.touch()
    return node


def debian_program(name):
    """Returns a program of a Debian package: the system's, or one unpacked from its package."""
    installed = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
    if installed:
        return installed
    unpacked = DEBIAN / "usr" / "sbin" / name
    if not unpacked.exists():
        archives = HOME / "archives" / name
        archives.mkdir(parents=True, exist_ok=True)
        packages = DEBIAN_PACKAGES[name]
        try:
            run("apt-get", "download", *packages, cwd=archives)
        except (Absent, OSError):
            # A new machine has no list of packages yet.
            run("apt-get", "update")
            run("apt-get", "download", *packages, cwd=archives)
        for archive in archives.glob("*.deb"):
            run("dpkg-deb", "--extract", archive, DEBIAN)
    run(unpacked, "-v", env=environment())
    return unpacked


def environment():
    """Returns the environment of an unpacked program, whose libraries are unpacked too."""
    libraries = [str(folder) for folder in (DEBIAN / "usr" / "lib").glob("*-linux-gnu")]
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries)}


def network_namespaces():
    """Checks that a network namespace with a shaped link can be created here."""
    if not shutil.which("ip") or not shutil.which("tc"):
        raise Absent("there is no ip or tc (Debian: iproute2)")
    name = f"iox-probe-{os.getpid()}"
    run("ip", "netns", "add", name)
    try:
        run("ip", "netns", "exec", name, "tc", "qdisc", "add", "dev", "lo", "root",
            "tbf", "rate", "16kbit", "burst", "2kb", "limit", "100kb")
    finally:
        run("ip", "netns", "del", name)


TOOLS = {
    "aiohttp": lambda: python_package("aiohttp"),
    "websockets": lambda: python_package("websockets"),
    "pyisy": lambda: python_package("pyisy"),
    "pyisyox": lambda: python_package("pyisyox"),
    "ws": lambda: node_package("ws"),
    "nginx": lambda: debian_program("nginx"),
    "haproxy": lambda: debian_program("haproxy"),
    "netns": network_namespaces,
}


def absent(names):
    """Installs these tools; returns the reason for each that is missing."""
    HOME.mkdir(parents=True, exist_ok=True)
    reasons = {}
    for name in names:
        try:
            TOOLS[name]()
        except (Absent, OSError) as error:
            reasons[name] = str(error)
    return reasons
