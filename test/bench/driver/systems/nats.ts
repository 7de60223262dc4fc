/**
 * NATS JetStream by raw frames: a publish asks for its answer; a follower is a push consumer whose acks are cumulative; the
 * workers of a consumer are a queue group of one durable push consumer, and ack each message.
 */
import { CONSUMER_WINDOW, FOLLOWER_ACK_MS, FOLLOWER_WINDOW } from "../driver.ts";
import type { Connection, Driver, OnMessages, Start } from "../driver.ts";
import { NatsSocket, publication } from "./nats-socket.ts";
import type { Address } from "../tcp.ts";
import { fillBy, RequestWindow, windowPublisher } from "../window.ts";

const ACK = "+ACK";
/** How JetStream answers a publish that it stored. */
const STORED = /^\{"stream":"[^"]*", ?"seq":\d+/;

export function natsDriver(address: Address): Driver {
  const ask = (subject: string, payload: object) =>
    withSocket(address, async (socket) => void (await socket.request(subject, payload)));
  const publisher = async (streams: readonly string[], data: string) => {
    const socket = await NatsSocket.connect(address);
    const messages = streams.map((stream) => publication(stream, socket.inbox, data));
    const window = new RequestWindow((index) => socket.send(messages[index % messages.length] ?? Buffer.alloc(0)));
    let refused: string | undefined;
    let looked = 0;
    socket.onMessages = (count, last) => {
      // Each answer is of one publish. One of each chunk is read, as refusals do not come alone.
      looked += 1;
      refused = STORED.test(last.payload()) ? undefined : last.payload();
      if (refused === undefined) {
        window.answered(count);
      } else {
        window.fail(new Error(`answer ${looked}: ${refused}`));
      }
    };
    socket.onLost = (error) => window.fail(error);
    return windowPublisher(window, () => socket.close());
  };
  return {
    create: (stream) =>
      ask(`$JS.API.STREAM.CREATE.${stream}`, { name: stream, subjects: [stream], storage: "file", num_replicas: 1 }),
    drop: (stream) => ask(`$JS.API.STREAM.DELETE.${stream}`, {}),
    publisher,
    fill: (stream, data, count) => fillBy(publisher, { stream, data, count }),
    follower: (stream, start, onMessages) => follower(address, stream, start, onMessages),
    hasPositions: true,
    createConsumer: (stream) =>
      ask(`$JS.API.CONSUMER.DURABLE.CREATE.${stream}.workers`, {
        stream_name: stream,
        config: {
          durable_name: "workers",
          deliver_subject: `deliver.${stream}`,
          deliver_group: "workers",
          ack_policy: "explicit",
          deliver_policy: "all",
          max_ack_pending: CONSUMER_WINDOW,
        },
      }),
    worker: (stream, onMessages) => worker(address, stream, onMessages),
    idle: () => NatsSocket.connect(address),
  };
}

async function follower(address: Address, stream: string, start: Start, onMessages: OnMessages): Promise<Connection> {
  const socket = await NatsSocket.connect(address);
  const subject = `${socket.inbox}.messages`;
  let unacked = 0;
  let reply = "";
  const ack = () => {
    if (unacked > 0) {
      unacked = 0;
      socket.send(acknowledgement(reply));
    }
  };
  socket.onMessages = (count, last) => {
    unacked += count;
    reply = last.reply();
    if (unacked >= FOLLOWER_WINDOW / 2) {
      ack();
    }
    onMessages(count);
  };
  socket.subscribe(subject);
  await socket.request(`$JS.API.CONSUMER.CREATE.${stream}`, {
    stream_name: stream,
    config: {
      ...deliverPolicy(start),
      deliver_subject: subject,
      ack_policy: "all",
      max_ack_pending: FOLLOWER_WINDOW,
      mem_storage: true,
    },
  });
  const timer = setInterval(ack, FOLLOWER_ACK_MS);
  return {
    close: () => {
      clearInterval(timer);
      socket.close();
    },
  };
}

function deliverPolicy(start: Start): object {
  if (start === "first") {
    return { deliver_policy: "all" };
  }
  return start === "new"
    ? { deliver_policy: "new" }
    : { deliver_policy: "by_start_sequence", opt_start_seq: start.stored - start.behind + 1 };
}

async function worker(address: Address, stream: string, onMessages: OnMessages): Promise<Connection> {
  const socket = await NatsSocket.connect(address);
  socket.onMessage = (message) => socket.send(acknowledgement(message.reply()));
  socket.onMessages = (count) => onMessages(count);
  socket.subscribe(`deliver.${stream}`, "workers");
  return socket;
}

function acknowledgement(reply: string): Buffer {
  return Buffer.from(`PUB ${reply} ${ACK.length}\r\n${ACK}\r\n`);
}

async function withSocket<T>(address: Address, use: (socket: NatsSocket) => Promise<T>): Promise<T> {
  const socket = await NatsSocket.connect(address);
  try {
    return await use(socket);
  } finally {
    socket.close();
  }
}
