/** The Durable Streams protocol over HTTP: a POST to append, a GET with server-sent events to follow. */
import { Agent, request } from "node:http";
import type { IncomingMessage } from "node:http";

import type { Driver, Start } from "../driver.ts";
import { RequestWindow, windowPublisher } from "../window.ts";
import type { Address } from "../tcp.ts";

/** Connections of one publisher. Each has one request at a time. */
const SOCKETS = 256;
/** Stands once in the data of each message. */
const MARK = '"amount":1234.56';

export function durableStreamsDriver(address: Address): Driver {
  const publisher = async (streams: readonly string[], data: string) => {
    const agent = new Agent({ keepAlive: true, maxSockets: SOCKETS });
    const append = async (index: number) => {
      const path = pathOf(streams[index % streams.length] ?? "");
      const answer = await ask(address, { method: "POST", path, agent }, data);
      await ended(answer, [200, 204]);
    };
    const window = new RequestWindow((index) => {
      append(index).then(
        () => window.answered(1),
        (error: unknown) => window.fail(error instanceof Error ? error : new Error(String(error))),
      );
    });
    return windowPublisher(window, () => agent.destroy(), SOCKETS);
  };
  return {
    create: async (stream) => ended(await ask(address, { method: "PUT", path: pathOf(stream) }), [200, 201]),
    drop: async (stream) => ended(await ask(address, { method: "DELETE", path: pathOf(stream) }), [204]),
    publisher,
    async fill(stream, data, count) {
      // An array is as many messages as it has elements.
      const most = 500;
      for (let left = count; left > 0; left -= most) {
        const list = Array.from({ length: Math.min(most, left) }, () => data);
        await ended(await ask(address, { method: "POST", path: pathOf(stream) }, `[${list.join(",")}]`), [200, 204]);
      }
    },
    async follower(stream, start, onMessages) {
      const path = `${pathOf(stream)}?offset=${offsetOf(start)}&live=sse`;
      const agent = new Agent({ maxSockets: 1 });
      const answer = await ask(address, { method: "GET", path, agent });
      if (answer.statusCode !== 200) {
        throw new Error(`${path} was answered with ${answer.statusCode}`);
      }
      let rest = "";
      answer.setEncoding("latin1");
      answer.on("data", (chunk: string) => {
        const text = rest + chunk;
        let count = 0;
        let end = 0;
        for (let at = text.indexOf(MARK); at !== -1; at = text.indexOf(MARK, end)) {
          count += 1;
          end = at + MARK.length;
        }
        rest = text.slice(Math.max(end, text.length - MARK.length + 1));
        if (count > 0) {
          onMessages(count);
        }
      });
      // The reader closes it.
      answer.on("error", () => undefined);
      return { close: () => void answer.destroy() };
    },
  };
}

/** There are no positions to compute from a count, so who is behind by some has to begin at the first. */
function offsetOf(start: Start): string {
  if (typeof start === "object") {
    throw new Error("a position behind the last message by a count can not be said");
  }
  return start === "new" ? "now" : "-1";
}

function pathOf(stream: string): string {
  return `/${stream}`;
}

function ask(
  { host, port }: Address,
  options: { method: string; path: string; agent?: Agent },
  body?: string,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = {
      "Content-Type": "application/json",
      ...(body === undefined ? {} : { "Content-Length": body.length }),
    };
    const asked = request({ host, port, ...options, headers }, resolve);
    asked.once("error", reject);
    asked.end(body);
  });
}

/** Reads an answer to its end, so that its socket is free again. */
async function ended(answer: IncomingMessage, statuses: readonly number[]): Promise<void> {
  answer.setEncoding("utf8");
  let text = "";
  for await (const chunk of answer) {
    text += chunk;
  }
  if (!statuses.includes(answer.statusCode ?? 0)) {
    throw new Error(`${answer.statusCode}: ${text.slice(0, 200)}`);
  }
}
