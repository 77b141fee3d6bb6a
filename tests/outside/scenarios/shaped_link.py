"""A link so slow that the replay takes longer than any silence that ends a drain.

Controller and watcher have their own network namespaces, connected by a pair of virtual interfaces.
A token bucket at the controller's end limits the bits per second. A bucket does not need `netem`,
which not every kernel has.
"""

import itertools
import os
import time
from contextlib import contextmanager

from frames import house
from program import Controller, Simulate, Watch, check, free_port
from scenarios import scenario
from tools import run

NUMBERS = itertools.count()


@contextmanager
def shaped(rate):
    """Creates two namespaces and the link. Yields the command prefix of each, and the address."""
    # Several may exist at once. An interface's name has at most 15 characters.
    unique = f"{os.getpid():x}-{next(NUMBERS)}"
    near, far = f"ioxw{unique}", f"ioxc{unique}"
    address = "192.0.2.1"
    try:
        for name in (near, far):
            run("ip", "netns", "add", name)
        run("ip", "link", "add", near, "netns", near, "type", "veth", "peer", far, "netns", far)
        for name, own in ((near, "192.0.2.2"), (far, address)):
            run("ip", "-n", name, "link", "set", "lo", "up")
            run("ip", "-n", name, "address", "add", f"{own}/30", "dev", name)
            run("ip", "-n", name, "link", "set", name, "up")
            # Segments of 64 KiB would not fit into the bucket.
            run("ip", "-n", name, "link", "set", name, "gso_max_size", "1500")
        run("tc", "-n", far, "qdisc", "add", "dev", far, "root",
            "tbf", "rate", rate, "burst", "3kb", "limit", "400kb")
        inside = lambda name: ("ip", "netns", "exec", name)
        yield inside(near), inside(far), address
    finally:
        for name in (near, far):
            os.system(f"ip netns del {name} 2>/dev/null")


def what(event):
    return event["control"], event["action"], event["node_address"]


def watch_replay(url, prefix, expected, at_least):
    """Watches a replay that takes at least this many seconds up to its last event."""
    began = time.monotonic()
    with Watch(url, prefix=prefix) as watch:
        while len(watch.events()) < len(expected):
            check(watch.take("the whole replay") is not None, f"ended: {watch.errors}")
        took = time.monotonic() - began
        check(took >= at_least, f"a replay of {took:.0f} s proves nothing")
        if "connected" not in watch.statuses():
            watch.status("connected")
        watch.stop()
    # A heartbeat may come at any time.
    replayed = [event for event in watch.events() if event["control"] != "_0"]
    wanted = [event for event in expected if event[0] != "_0"]
    check([what(event) for event in replayed] == wanted, "the replay differs")
    check(watch.statuses().count("stream_syncing") == 1, f"{watch.statuses()}")
    live = sum(event["live"] for event in replayed)
    check(live == 0, f"{live} of {len(replayed)} replayed events are reported as live")


def segments_that_cut_messages(nodes, at_least):
    """Lets the simulator fill the socket, so that nearly every segment ends within a message."""
    quiet = ("--rate", "0", "--nodes", str(nodes))
    with Simulate(0, *quiet) as controller, Watch(controller.said["url"]) as watch:
        watch.status("connected")
        expected = [what(event) for event in watch.events()]
        watch.stop()
    with shaped("16kbit") as (near, far, address):
        port = free_port()
        with Simulate(port, *quiet, bind=address, prefix=far):
            watch_replay(f"http://{address}:{port}", near, expected, at_least)


def segments_of_one_message(lamps, at_least):
    """Lets a slow controller send each message alone: no partial message announces more."""
    replay = house(lamps)
    expected = [(control, action, node) for _, control, action, node, _ in replay.expected]
    with shaped("16kbit") as (near, far, address):
        far_end = {"host": address, "pace": 0.15, "prefix": far}
        with Controller("websockets", replay.messages, **far_end) as controller:
            watch_replay(f"http://{address}:{controller.port}", near, expected, at_least)


@scenario("netns")
def a_replay_of_twenty_seconds_is_recognised_when_segments_cut_messages():
    segments_that_cut_messages(nodes=40, at_least=15)


@scenario("netns", quick=False)
def a_replay_of_a_minute_is_recognised_when_segments_cut_messages():
    segments_that_cut_messages(nodes=120, at_least=55)


@scenario("netns", "websockets")
def a_replay_of_twenty_seconds_is_recognised_when_each_message_is_a_segment():
    segments_of_one_message(lamps=100, at_least=15)


@scenario("netns", "websockets", quick=False)
def a_replay_of_a_minute_is_recognised_when_each_message_is_a_segment():
    segments_of_one_message(lamps=400, at_least=55)
