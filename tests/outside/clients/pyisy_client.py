"""Runs PyISY against a controller, lists the nodes, switches a light, and runs a program.

Arguments: URL, user name, password. Prints one JSON object per line.
"""

import asyncio
import html
import json
import sys
from urllib.parse import urlparse

from pyisy import ISY
from pyisy.connection import get_new_client_session
from pyisy.nodes import Node


def report(**members):
    print(json.dumps(members), flush=True)


async def main(url, username, password):
    host = urlparse(url)
    isy = ISY(
        host.hostname,
        host.port,
        username=username,
        password=password,
        use_https=False,
        websession=get_new_client_session(False),
        use_websocket=True,
    )
    await isy.initialize()
    nodes = [node for _, node in isy.nodes if isinstance(node, Node)]
    # PyISY keeps the XML escapes of names.
    report(names=sorted(html.unescape(node.name) for node in nodes))
    isy.websocket.start()
    lamp = next(node for node in nodes if node.name.endswith("lamp"))
    for level in (0, 255):
        changed = asyncio.Event()
        subscriber = lamp.status_events.subscribe(lambda _: changed.set())
        while lamp.status != level:
            await lamp.send_cmd("DFON" if level else "DFOF")
            try:
                await asyncio.wait_for(changed.wait(), 5)
            except asyncio.TimeoutError:
                pass
            changed.clear()
        subscriber.unsubscribe()
        report(lamp=lamp.name, status=lamp.status)
    program = next(program for _, program in isy.programs if hasattr(program, "run_then"))
    report(program=program.name, accepted=bool(await program.run_then()))
    await isy.shutdown()


asyncio.run(main(*sys.argv[1:]))
