"""Controllers on third-party WebSocket servers."""

import tools
from frames import enveloped, event, house
from program import Controller, Simulate, Watch, check
from scenarios import scenario

SERVERS = ["aiohttp", "websockets", "ws"]
BASIC = "Basic YWRtaW46YWRtaW4="


def url(controller):
    return f"http://127.0.0.1:{controller.port}"


def shown(events):
    """Returns the comparable members of the events that `iox` has printed."""
    members = ("seqnum", "control", "action", "node_address", "event_info")
    return [tuple(event[member] for member in members) for event in events]


def connected(watch, replay):
    """Follows a new connection: the replay is complete, in order, and reported as replayed."""
    before = len(watch.shown)
    watch.status("connected")
    replayed = [shown for shown in watch.shown[before:] if shown["type"] == "event"]
    got = shown(replayed)
    wrong = next((pair for pair in zip(got, replay.expected) if pair[0] != pair[1]), None)
    check(wrong is None, f"got and expected: {wrong}")
    check(len(got) == len(replay.expected), f"{len(got)} events of {len(replay.expected)}")
    check(not any(event["live"] for event in replayed), "a replayed event is reported as live")


@scenario(each=SERVERS)
def replay_and_live_events_arrive_in_order_and_are_marked(server):
    replay = house()
    with Controller(server, replay.messages) as controller, Watch(url(controller)) as watch:
        asked = controller.reports("subscribed")
        check(asked["subscribed"] == "/rest/subscribe", f"{asked}")
        check(asked["authorization"] == BASIC, "without the credentials")
        check(asked["protocol"] is None, f"{asked}")
        connected(watch, replay)
        check(
            watch.statuses() == ["stream_initializing", "stream_syncing", "connected"],
            f"{watch.statuses()}",
        )
        seqnum = len(replay.expected)
        live = [("ST", "128"), ("DOF", "0"), ("_0", "90")]
        for number, (control, action) in enumerate(live):
            controller.send(text=event(seqnum + number, control, action, "3A 1 7F 1"))
            # These are not events, and use no sequence numbers.
            controller.send(binary=b"\x00\x01")
            controller.send(ping=True)
        watch.control("_0", "90")
        events = watch.events()[len(replay.expected):]
        check([(event["control"], event["action"]) for event in events] == live, f"{events}")
        check(all(event["live"] for event in events), f"a live event is not live: {events}")
        check(not watch.of_type("gap"), f"{watch.of_type('gap')}")
        check(len(watch.of_type("malformed")) == replay.malformed, f"{watch.of_type('malformed')}")
        if server != "aiohttp":
            controller.reports("pong")
        watch.stop()
        ended = controller.reports("ended")
        check(ended["ended"] == 1000, f"closed with {ended}")
        watch.check_no_stray_lines()


@scenario(each=["websockets", "ws"])
def fragments_are_one_message(server):
    replay = house()
    with Controller(server, replay.messages) as controller, Watch(url(controller)) as watch:
        connected(watch, replay)
        whole = event(len(replay.expected), "ST", "77", "3A 1 7F 1", "Flur ü").encode()
        # A cut may be between any two bytes, even within a character.
        controller.send(fragments=[whole[at:at + 7] for at in range(0, len(whole), 7)])
        got = watch.control("ST", "77")
        check(got["live"] and got["event_info"] == "Flur ü", f"{got}")
        watch.stop()


@scenario(each=SERVERS)
def close_codes_are_shown_as_sent_and_recovered_from(server):
    replay = house()
    with Controller(server, replay.messages) as controller, Watch(url(controller)) as watch:
        for code, reason in [(4001, "maintenance tonight"), (1001, "going away")]:
            connected(watch, replay)
            controller.send(close=[code, reason])
            lost = watch.recovers()
            check(lost["reason"] == "closed_by_controller", f"{lost}")
            if "close_code" in lost:
                check(lost["close_code"] == code, f"{lost}")
            watch.says(str(code), reason)
        connected(watch, replay)
        watch.stop()


@scenario(each=SERVERS)
def a_connection_cut_without_a_close_frame_is_recovered(server):
    replay = house()
    with Controller(server, replay.messages) as controller, Watch(url(controller)) as watch:
        connected(watch, replay)
        controller.send(abort=True)
        lost = watch.recovers()
        check(lost["reason"] is not None, f"{lost}")
        connected(watch, replay)
        watch.stop()


@scenario(each=SERVERS)
def a_server_that_is_killed_and_restarted_is_watched_again(server):
    replay = house()
    with Controller(server, replay.messages) as first:
        port = first.port
        with Watch(url(first)) as watch:
            connected(watch, replay)
            first.kill()
            watch.status("lost_connection")
            with Controller(server, replay.messages, port) as second:
                watch.status("stream_syncing")
                connected(watch, replay)
                second.send(text=event(len(replay.expected), "ST", "1", "3A 1 7F 1"))
                check(watch.control("ST", "1")["live"], "a live event is reported as replayed")
                watch.stop()


@scenario(each=SERVERS)
def a_refusal_is_shown_and_is_final_or_retried(server):
    replay = house()
    with Controller(server, replay.messages) as controller:
        controller.send(answer=401)
        controller.reports("answering")
        with Watch(url(controller)) as watch:
            failed = watch.status("reconnect_failed")
            check(failed["reason"] == "credentials_refused", f"{failed}")
            watch.ends(3)
            watch.says("401")
            watch.check_no_stray_lines()
        controller.send(answer=503)
        controller.reports("answering")
        with Watch(url(controller)) as watch:
            lost = watch.status("lost_connection")
            check(lost["reason"] == "upgrade_refused", f"{lost}")
            watch.says("503")
            controller.send(answer=101)
            controller.reports("answering")
            watch.expect_status("reconnecting")
            connected(watch, replay)
            watch.stop()
            watch.check_no_stray_lines()


@scenario(each=SERVERS)
def tls_is_refused_until_it_is_trusted(server):
    replay = house()
    identity = tools.HOME / f"identity-{server}.pem"
    # The simulator creates a self-signed certificate, as controllers have.
    with Simulate(0, "--identity", identity) as made:
        fingerprint = made.said["fingerprint"]
    with Controller(server, replay.messages, identity=identity) as controller:
        address = f"https://127.0.0.1:{controller.port}"
        with Watch(address) as watch:
            watch.ends(3)
            watch.says(fingerprint)
        with Watch(address, "--pin", fingerprint) as watch:
            connected(watch, replay)
            watch.stop()


@scenario("aiohttp")
def a_portal_account_logs_in_subscribes_and_logs_out():
    replay = house()
    messages = [enveloped(message) for message in replay.messages]
    messages.insert(3, b'{"type":"spolisy","data":{"status":"connected"}}')
    account = {"username": "user@example.test", "password": "secret"}
    with Controller("aiohttp", messages) as controller:
        with Watch(url(controller), "--path", "api", **account) as watch:
            check(controller.reports("login")["login"] == account["username"], "wrong account")
            asked = controller.reports("subscribed")
            check(asked["subscribed"] == "/api/events/subscribe", f"{asked}")
            first = controller.reports("first")["first"]
            check("access-1" in str(first), "the first frame is without the token")
            connected(watch, replay)
            watch.stop()
            check(controller.reports("logout")["logout"] == "Bearer access-1", "no logout")
            check(not any("access-1" in line for line in watch.errors), "the token was shown")


@scenario("aiohttp")
def the_headers_of_an_isy_994_are_tried_after_a_400():
    replay = house()
    with Controller("aiohttp", replay.messages) as controller:
        controller.send(answer=400)
        controller.reports("answering")
        with Watch(url(controller)) as watch:
            check(controller.reports("subscribed")["protocol"] is None, "sent at once")
            asked = controller.reports("subscribed")
            check(asked["protocol"] == "ISYSUB", f"{asked}")
            watch.status("lost_connection")
            watch.stop()
