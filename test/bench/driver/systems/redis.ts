/** Redis Streams by raw commands: XADD to publish, XREAD BLOCK to follow, XREADGROUP and XACK for a consumer. */
import { WORKER_WINDOW } from "../driver.ts";
import type { Connection, Driver, OnMessages, Start } from "../driver.ts";
import { command, ENTRY_BULKS, RespSocket } from "./resp.ts";
import type { Reply } from "./resp.ts";
import type { Address } from "../tcp.ts";
import { fillBy, RequestWindow, windowPublisher } from "../window.ts";

/** Messages that a follower reads at a time. */
const READ_COUNT = 1000;

export function redisDriver(address: Address): Driver {
  /** The id after which a follower reads that is so many messages behind. */
  const positions = new Map<string, Promise<string>>();
  const publisher = async (streams: readonly string[], data: string) => {
    const socket = await RespSocket.connect(address);
    const commands = streams.map((stream) => command("XADD", stream, "*", "d", data));
    const window = new RequestWindow((index) => socket.send(commands[index % commands.length] ?? Buffer.alloc(0)));
    socket.onReply = ({ error }) => (error === undefined ? window.answered(1) : window.fail(new Error(error)));
    socket.onLost = (error) => window.fail(error);
    return windowPublisher(window, () => socket.close());
  };
  return {
    create: async () => undefined,
    drop: (stream) => withSocket(address, async (socket) => void (await socket.call("DEL", stream))),
    publisher,
    fill: (stream, data, count) => fillBy(publisher, { stream, data, count }),
    follower(stream, start, onMessages) {
      return follower(address, { stream, from: () => startId(address, positions, stream, start) }, onMessages);
    },
    hasPositions: true,
    createConsumer: (stream) =>
      withSocket(address, async (socket) => {
        await socket.call("XGROUP", "CREATE", stream, "workers", "0", "MKSTREAM");
      }),
    worker: (stream, onMessages) => worker(address, stream, onMessages),
    idle: () => RespSocket.connect(address),
  };
}

async function startId(
  address: Address,
  positions: Map<string, Promise<string>>,
  stream: string,
  start: Start,
): Promise<string> {
  if (start === "first") {
    return "0";
  }
  // With `$` a follower would miss what is published between its reads, so it starts at the last id.
  const behind = start === "new" ? 0 : start.behind;
  if (start === "new") {
    return withSocket(address, (socket) => lastButSomeId(socket, stream, behind));
  }
  const key = `${stream} ${behind}`;
  const known = positions.get(key) ?? withSocket(address, (socket) => lastButSomeId(socket, stream, behind));
  positions.set(key, known);
  return known;
}

async function lastButSomeId(socket: RespSocket, stream: string, behind: number): Promise<string> {
  // The entry before the last so many: its id is the third bulk string from the end.
  return (await socket.call("XREVRANGE", stream, "+", "-", "COUNT", behind + 1)) || "0";
}

async function follower(
  address: Address,
  { stream, from }: { stream: string; from: () => Promise<string> },
  onMessages: OnMessages,
): Promise<Connection> {
  const socket = await RespSocket.connect(address);
  const read = (after: string) =>
    socket.send(command("XREAD", "COUNT", READ_COUNT, "BLOCK", 0, "STREAMS", stream, after));
  socket.onReply = (reply) => {
    const count = entriesOf(reply);
    const last = reply.bulk(ENTRY_BULKS - 1);
    read(last);
    onMessages(count);
  };
  read(await from());
  return socket;
}

async function worker(address: Address, stream: string, onMessages: OnMessages): Promise<Connection> {
  const socket = await RespSocket.connect(address);
  const name = `worker-${Math.random()}`;
  const read = command(
    "XREADGROUP",
    "GROUP",
    "workers",
    name,
    "COUNT",
    WORKER_WINDOW,
    "BLOCK",
    0,
    "STREAMS",
    stream,
    ">",
  );
  let ids: string[] = [];
  socket.onId = (id) => void ids.push(id);
  socket.onReply = (reply) => {
    if (reply.bulks === 0) {
      // The answer to XACK.
      return;
    }
    const count = entriesOf(reply);
    socket.send(Buffer.concat([command("XACK", stream, "workers", ...ids), read]));
    ids = [];
    onMessages(count);
  };
  socket.send(read);
  return socket;
}

/** Of one stream: beside the entries there is its name. */
function entriesOf({ bulks, error }: Reply): number {
  if (error !== undefined) {
    throw new Error(error);
  }
  return (bulks - 1) / ENTRY_BULKS;
}

async function withSocket<T>(address: Address, use: (socket: RespSocket) => Promise<T>): Promise<T> {
  const socket = await RespSocket.connect(address);
  try {
    return await use(socket);
  } finally {
    socket.close();
  }
}
