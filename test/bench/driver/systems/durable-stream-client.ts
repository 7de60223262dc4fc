/** Durable Stream by its own JavaScript client. */
import { WebSocket } from "ws";

import { DurableStream } from "../../../../rpc/client.ts";
import { manyAtATime } from "../many-at-a-time.ts";
import { FOLLOWER_WINDOW } from "../driver.ts";
import type { Driver } from "../driver.ts";
import type { DurableStreamEndpoint } from "./durable-stream.ts";

/** @param raw Does what is not measured. */
export function durableStreamClientDriver({ url, apiKey }: DurableStreamEndpoint, raw: Driver): Driver {
  const connect = () => new DurableStream({ url, token: apiKey, WebSocket });
  return {
    create: raw.create,
    drop: raw.drop,
    fill: raw.fill,
    async publisher(streams, data) {
      const client = connect();
      const value: unknown = JSON.parse(data);
      return {
        publish: (count, open, latencies) =>
          manyAtATime({ count, open, latencies }, (index) =>
            client.publish({ stream: streams[index % streams.length] ?? "", data: value }),
          ),
        post: (index) => void client.publish({ stream: streams[index % streams.length] ?? "", data: value }),
        repeated: () => 0,
        close: () => client.close(),
      };
    },
    async follower(stream, start, onMessages) {
      const client = connect();
      const from = typeof start === "string" ? start : { sequence: start.stored - start.behind + 1 };
      client.subscribe({ stream, from, maxInFlight: FOLLOWER_WINDOW }, () => onMessages(1));
      return client;
    },
  };
}
