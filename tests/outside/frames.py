"""Frames as controllers send them, written for these tests."""

import json

STAMP = "2026-11-03T18:52:41.{:06d}-08:00"


def event(seqnum, control, action, node="", info="", uom="", shown="", stamp=None):
    """Returns an `Event` document as text."""
    stamp = stamp or STAMP.format(seqnum)
    attributes = f' uom="{uom}" prec="0"' if uom else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<Event seqnum="{seqnum}" sid="uuid:31" timestamp="{stamp}">'
        f"<control>{control}</control><action{attributes}>{action}</action><node>{node}</node>"
        f"<eventInfo>{info}</eventInfo><fmtAct>{shown}</fmtAct><fmtName></fmtName></Event>"
    )


class Replay:
    """A replay: its messages as bytes, and what `iox` must print for each event in it."""

    def __init__(self):
        self.messages = []
        self.expected = []
        self.malformed = 0
        self.ignored = 0

    def add(self, control, action, node="", info="", expected_info=None, **more):
        """Adds an event, with `expected_info` if the printed text differs from the text sent."""
        message = event(len(self.expected), control, action, node, info, **more)
        self.messages.append(message.encode())
        shown = info if expected_info is None else expected_info
        self.expected.append((len(self.expected), control, action, node, shown))

    def end(self):
        """Adds the frames that end a replay on `/rest/subscribe`."""
        self.add("_4", "5", info="<status>0</status>", expected_info="<status>0</status>")
        self.add("_4", "6", info="<status>0</status>", expected_info="<status>0</status>")
        self.add("_22", "1")


def house(lamps=120):
    """Returns a replay with each form of frame, each mistake of real controllers, and lamps.

    Its stamps are close together, as on `/rest/subscribe`, where they are the time of the
    connection.
    """
    replay = Replay()
    replay.messages.append(
        b"<SubscriptionResponse><SID>uuid:31</SID><duration>0</duration></SubscriptionResponse>"
    )
    replay.ignored += 1
    replay.add("_5", "0")
    replay.add("_1", "8", info="E8E7BC14.2B06")
    replay.add("_1", "0", info="<id>8D</id><on /><nr /><r>261103 14:30:36 </r><s>31</s>")
    replay.add(
        "_1", "6",
        info='<var type="2" id="12"><prec>0</prec><val>7</val><ts>20261103 13:23:15 </ts></var>',
    )
    replay.add("_1", "9", info='<var type="2" id="0" />')
    replay.add("_0", "90")
    replay.add("ST", "255", "3A 1 7F 1", uom="100", shown="On")
    replay.add("OL", "191", "3A 1 7F 1", uom="100", shown="75%")
    replay.add("ST", "-40", "n004_porch", uom="4", shown="-40°C")
    replay.add("DON", "0", "ZW017_1")
    # The address of a node in the payload is not that of the event.
    node = '<node flag="128"><address>3A 1 80 1</address><name>Käse &amp; Brot</name></node>'
    replay.add("_3", "ND", "3A 1 80 1", info=node)
    # Log text that is not valid XML.
    replay.add(
        "_7", "1",
        info="GET /rest?NUM.107=24&VAL.111=1 &amp; more",
        expected_info="GET /rest?NUM.107=24&VAL.111=1 & more",
    )
    replay.add(
        "_7", "2.1",
        info="<![CDATA[U7 Rest:  submitCmd([6536],[DOF],[<NULL>])]]>",
        expected_info="U7 Rest:  submitCmd([6536],[DOF],[<NULL>])",
    )
    # A Z-Wave node with a name that is not UTF-8.
    broken = event(len(replay.expected), "_3", "NN", "ZW017_1", "<newName>K?che</newName>")
    replay.messages.append(broken.encode().replace(b"?che", b"\xfcche"))
    replay.expected.append(
        (len(replay.expected), "_3", "NN", "ZW017_1", "<newName>K\ufffdche</newName>")
    )
    replay.messages.append(b"this is not a frame")
    replay.malformed += 1
    for number in range(lamps):
        level = str(number % 101)
        replay.add("ST", level, f"n{number:03d}_lamp", uom="51", shown=f"{level}%")
    replay.end()
    return replay


def enveloped(message):
    """Returns a message in the envelope of `/api/events/subscribe`."""
    return json.dumps({"type": "event", "data": message.decode("utf-8", "replace")}).encode()
