"""A controller on websockets; `controllers/README.md` has the protocol with the runner."""

import asyncio
import json
import ssl
import sys
from base64 import b64decode
from http import HTTPStatus

from websockets.asyncio.server import serve

options = json.loads(sys.stdin.readline())
answer = 101
sockets = []


def report(**what):
    print(json.dumps(what), flush=True)


def upgrade(connection, request):
    report(
        subscribed=request.path,
        authorization=request.headers.get("Authorization"),
        protocol=request.headers.get("Sec-WebSocket-Protocol"),
    )
    if answer != 101:
        return connection.respond(HTTPStatus(answer), "")
    return None


async def subscribed(socket):
    for message in options["replay"]:
        await socket.send(b64decode(message), text=True)
        await asyncio.sleep(options["pace"])
    sockets.append(socket)
    async for _ in socket:
        pass
    await socket.wait_closed()
    report(ended=socket.close_code)


async def obey(line):
    global answer
    command = json.loads(line)
    if "answer" in command:
        answer = command["answer"]
        report(answering=answer)
        return
    socket = sockets[-1]
    if "text" in command:
        await socket.send(b64decode(command["text"]), text=True)
    elif "fragments" in command:
        await socket.send([b64decode(part) for part in command["fragments"]], text=True)
    elif "binary" in command:
        await socket.send(b64decode(command["binary"]))
    elif "ping" in command:
        await (await socket.ping())
        report(pong=True)
    elif "close" in command:
        await socket.close(*command["close"])
    elif "abort" in command:
        socket.transport.abort()


async def main():
    tls = None
    if options["identity"]:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(options["identity"])
    # A refusal has no Content-Length, there is no compression, and the server sends its own pings.
    async with serve(
        subscribed,
        options["host"],
        options["port"],
        process_request=upgrade,
        ping_interval=5,
        ssl=tls,
        # An ISY-994 echoes the subprotocol, but iox does not require it.
        select_subprotocol=lambda connection, offered: None,
    ) as server:
        report(listening=server.sockets[0].getsockname()[1])
        while line := await asyncio.to_thread(sys.stdin.readline):
            await obey(line)


asyncio.run(main())
