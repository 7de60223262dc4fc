/** NATS JetStream by its own JavaScript client: publishes, and the ordered consumer that its documents name for replays. */
import type { Driver, Start } from "../driver.ts";
import { installed } from "../installed.ts";
import { manyAtATime } from "../many-at-a-time.ts";
import type { Address } from "../tcp.ts";

type Message = { json(): unknown };
type Messages = AsyncIterable<Message> & { close(): Promise<unknown> };

/** What is used of the client. */
type JetStream = {
  publish(subject: string, payload: string): Promise<unknown>;
  consumers: { get(stream: string, options: object): Promise<{ consume(options: object): Promise<Messages> }> };
};
type Transport = { connect(options: { servers: string }): Promise<{ close(): Promise<void> }> };
type JetStreamModule = { jetstream: (connection: object) => JetStream };

/** Messages that the client asks for ahead. */
const AHEAD = 4096;

/** @param raw Does what is not measured. */
export async function natsClientDriver({ host, port }: Address, modules: string, raw: Driver): Promise<Driver> {
  const transport = await installed<Transport>(modules, "@nats-io/transport-node");
  const { jetstream } = await installed<JetStreamModule>(modules, "@nats-io/jetstream");
  const connect = () => transport.connect({ servers: `${host}:${port}` });
  return {
    create: raw.create,
    drop: raw.drop,
    fill: raw.fill,
    async publisher(streams, data) {
      const connection = await connect();
      const js = jetstream(connection);
      const value: unknown = JSON.parse(data);
      const publish = (index: number) => js.publish(streams[index % streams.length] ?? "", JSON.stringify(value));
      return {
        publish: (count, open, latencies) => manyAtATime({ count, open, latencies }, publish),
        post: (index) => void publish(index),
        repeated: () => 0,
        close: () => connection.close(),
      };
    },
    async follower(stream, start, onMessages) {
      const connection = await connect();
      const consumer = await jetstream(connection).consumers.get(stream, policyOf(start));
      const messages = await consumer.consume({ max_messages: AHEAD });
      const read = async () => {
        for await (const message of messages) {
          message.json();
          onMessages(1);
        }
      };
      // It ends with the connection.
      read().catch(() => undefined);
      return {
        close: async () => {
          await messages.close();
          await connection.close();
        },
      };
    },
  };
}

function policyOf(start: Start): object {
  if (start === "first") {
    return { deliver_policy: "all" };
  }
  return start === "new"
    ? { deliver_policy: "new" }
    : { deliver_policy: "by_start_sequence", opt_start_seq: start.stored - start.behind + 1 };
}
