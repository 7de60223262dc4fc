"""What interop.ts does, by Python's aiorpcX. Ends with 1 and says why when something is not as it should be."""

import asyncio
import sys

from aiorpcx import RPCError, connect_ws

URL, KEY = sys.argv[1:]
STREAM = "interop-aiorpcx"
CONFLICT, NOT_FOUND, INVALID_PARAMS, METHOD_NOT_FOUND = -32004, -32003, -32602, -32601


def same(actual, expected):
    if actual != expected:
        raise AssertionError(f"{actual!r} is not {expected!r}")


async def code_of(call):
    try:
        return await call
    except RPCError as error:
        return error.code


async def main():
    headers = {"Authorization": f"Bearer {KEY}"}
    async with connect_ws(URL, extra_headers=headers) as session:
        # It loses the session_factory that connect_ws takes, so that a handler of notifications is put in afterwards.
        heard = asyncio.Queue()

        async def handle_request(request):
            if request.method == "messages":
                await heard.put(request.args)

        session.handle_request = handle_request
        call = session.send_request
        # Its ids are numbers from 0.
        same((await call("publish", {"stream": STREAM, "data": {"text": "één"}}))["sequence"], 1)
        same((await call("publish", {"stream": STREAM, "data": None, "id": "2"}))["sequence"], 2)

        number = (await call("subscribe", {"stream": STREAM, "maxInFlight": 1}))["subscription"]
        first = await asyncio.wait_for(heard.get(), 15)
        same([message["data"] for message in first["messages"]], [{"text": "één"}])
        await session.send_notification("ack", {"subscription": number, "through": 1})
        second = await asyncio.wait_for(heard.get(), 15)
        same((second["previous"], [message["sequence"] for message in second["messages"]]), (1, [2]))

        same(await code_of(call("publish", {"stream": STREAM, "data": 1, "expect": {"lastSequence": 0}})), CONFLICT)
        same(await code_of(call("getStreamInfo", {"stream": "interop-never-used"})), NOT_FOUND)
        same(await code_of(call("publish")), INVALID_PARAMS)
        same(await code_of(call("noSuchMethod", {})), METHOD_NOT_FOUND)
        same((await call("getServerInfo"))["name"], "durable-stream")

        async with session.send_batch() as batch:
            batch.add_request("publish", {"stream": STREAM, "data": 3})
            batch.add_notification("publish", {"stream": STREAM, "data": 4})
            batch.add_request("getStreamInfo", {"stream": "interop-never-used"})
        published, missing = batch.results
        same((published["sequence"], missing.code), (3, NOT_FOUND))
        same((await call("getStreamInfo", {"stream": STREAM}))["lastSequence"], 4)


asyncio.run(asyncio.wait_for(main(), 60))
print("aiorpcX did everything")
