"""A controller on aiohttp; `controllers/README.md` has the protocol with the runner."""

import asyncio
import json
import ssl
import sys
from base64 import b64decode

from aiohttp import WSMsgType, web

options = json.loads(sys.stdin.readline())
answer = 101
sockets = []


def report(**what):
    print(json.dumps(what), flush=True)


async def subscribe(request):
    global sockets
    report(
        subscribed=request.path,
        authorization=request.headers.get("Authorization"),
        protocol=request.headers.get("Sec-WebSocket-Protocol"),
    )
    if answer != 101:
        return web.Response(status=answer)
    # With `heartbeat`, aiohttp closes a connection whose peer does not answer pings.
    socket = web.WebSocketResponse(heartbeat=1, protocols=["ISYSUB"])
    await socket.prepare(request)
    if request.path.startswith("/api/"):
        first = await socket.receive_str()
        report(first=json.loads(first))
    for message in options["replay"]:
        await socket.send_frame(b64decode(message), WSMsgType.TEXT)
    sockets.append((request, socket))
    async for _ in socket:
        pass
    report(ended=socket.close_code)
    return socket


async def login(request):
    body = await request.json()
    report(login=body["username"])
    if body != {"username": "user@example.test", "password": "secret"}:
        return web.json_response({"successful": False}, status=401)
    tokens = {"accessToken": "access-1", "refreshToken": "refresh-1"}
    return web.json_response({"successful": True, "data": tokens})


async def logout(request):
    report(logout=request.headers.get("Authorization"))
    return web.json_response({"successful": True, "data": None})


async def obey(line):
    global answer
    command = json.loads(line)
    if "answer" in command:
        answer = command["answer"]
        report(answering=answer)
        return
    request, socket = sockets[-1]
    if "text" in command:
        await socket.send_frame(b64decode(command["text"]), WSMsgType.TEXT)
    elif "binary" in command:
        await socket.send_bytes(b64decode(command["binary"]))
    elif "ping" in command:
        await socket.ping()
    elif "close" in command:
        code, reason = command["close"]
        await socket.close(code=code, message=reason.encode())
    elif "abort" in command:
        request.transport.abort()


async def main():
    application = web.Application()
    application.router.add_get("/rest/subscribe", subscribe)
    application.router.add_get("/api/events/subscribe", subscribe)
    application.router.add_post("/api/login", login)
    application.router.add_post("/api/jwt/logout", logout)
    runner = web.AppRunner(application)
    await runner.setup()
    tls = None
    if options["identity"]:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(options["identity"])
    site = web.TCPSite(
        runner, options["host"], options["port"], ssl_context=tls, reuse_address=True
    )
    await site.start()
    report(listening=runner.addresses[0][1])
    while line := await asyncio.to_thread(sys.stdin.readline):
        await obey(line)


asyncio.run(main())
