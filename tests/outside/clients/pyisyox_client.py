"""Runs pyisyox against a controller, lists the nodes, switches a light, and runs a program.

Arguments: URL, user name, password. Prints one JSON object per line.
"""

import asyncio
import json
import sys

from pyisyox import Controller, PortalAuth


def report(**members):
    print(json.dumps(members), flush=True)


async def main(url, username, password):
    controller = Controller(url, PortalAuth(username, password))
    await controller.connect()
    nodes = controller.nodes
    report(names=sorted(node.name for node in nodes.values()))
    changed = asyncio.Event()
    controller.add_event_listener(lambda _: changed.set())
    address, lamp = next(
        (address, node) for address, node in nodes.items() if node.name.endswith("lamp")
    )
    for level in (0, 255):
        while controller.nodes[address].properties["ST"].value != str(level):
            changed.clear()
            await lamp.send_command("DFON" if level else "DFOF")
            try:
                await asyncio.wait_for(changed.wait(), 5)
            except asyncio.TimeoutError:
                pass
        report(lamp=lamp.name, status=level)
    program = next(iter(controller.programs.values()))
    ran = asyncio.Event()
    controller.add_program_status_listener(lambda _: ran.set())
    await program.run_then()
    await asyncio.wait_for(ran.wait(), 20)
    report(program=program.name, accepted=True)
    await controller.stop()


asyncio.run(main(*sys.argv[1:]))
