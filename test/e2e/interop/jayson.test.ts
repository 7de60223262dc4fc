import { promisify } from "node:util";

import jayson from "jayson";
import { describe, expect } from "vitest";

import { ErrorCode } from "../../../rpc/index.ts";
import { sharingServer } from "../server/fixtures.ts";
import { exerciseErrors } from "./interop.ts";
import type { Server } from "../server/server.ts";

const test = sharingServer();

type Answer = { id: unknown; result?: unknown; error?: { code: number; data?: unknown } };

// Over HTTP a subscription can not be: a consumer's messages are fetched instead. Its ids are UUIDs unless it is told others.
describe("jayson over HTTP", () => {
  test("publishes, gets errors and reads their codes", async ({ server }) => {
    const { request } = clientOf(server);

    expect(await request("publish", { stream: "jayson", data: 1 })).toMatchObject({ sequence: 1 });
    await exerciseErrors({ request, codeOf }, "jayson");
    expect(await request("subscribe", { stream: "jayson" }).catch(codeOf)).toBe(ErrorCode.NeedsSocket);
  });

  test("takes a consumer's messages and acks them, which is how to follow without a socket", async ({ server }) => {
    const { request } = clientOf(server);
    const at = { stream: "jobs", consumer: "workers" };
    await request("createConsumer", { ...at, maxInFlight: 1 });
    await request("publish", { stream: at.stream, data: { text: "één" } });
    await request("publish", { stream: at.stream, data: null });

    const first = (await request("fetchMessages", at)) as { lease: string; messages: unknown[] };
    expect(await request("fetchMessages", at)).toMatchObject({ messages: [] });
    expect(await request("ackMessages", { ...at, lease: first.lease, sequences: [1] })).toEqual({});

    expect(first.messages).toMatchObject([{ sequence: 1, data: { text: "één" } }]);
    expect(await request("fetchMessages", at)).toMatchObject({ messages: [{ sequence: 2, data: null }] });
  });

  test.for([0, "a string"])("gets the answer to the id %j", async (id, { server }) => {
    const { client } = clientOf(server);
    const call = promisify(client.request.bind(client)) as unknown as (...args: unknown[]) => Promise<Answer>;

    const answer = await call("publish", { stream: `ids-${typeof id}`, data: 1 }, id);

    expect(answer).toMatchObject({ id, result: { sequence: 1 } });
  });

  test("sends batches, and nothing is answered to a notification", async ({ server }) => {
    const { client } = clientOf(server);
    const send = promisify(client.request.bind(client)) as unknown as (calls: object) => Promise<Answer[] | undefined>;
    const publish = (data: number, id?: number | null) =>
      client.request("publish", { stream: "batch", data }, id as undefined, undefined as never) as unknown as object;

    const answers = await send([publish(1, 0), publish(2, null), publish(3, 7)]);
    const nothing = await send(publish(4, null));

    expect(answers).toMatchObject([
      { id: 0, result: { sequence: 1 } },
      { id: 7, result: { sequence: 3 } },
    ]);
    expect(nothing).toBeUndefined();
    const { request } = clientOf(server);
    expect(await request("getStreamInfo", { stream: "batch" })).toMatchObject({ lastSequence: 4 });
  });
});

function clientOf({ url, apiKey }: Server) {
  const { hostname, port } = new URL(url);
  const client = jayson.Client.http({ hostname, port, path: "/rpc", headers: { Authorization: `Bearer ${apiKey}` } });
  const request = (method: string, params?: object): Promise<unknown> =>
    new Promise((resolve, reject) => {
      // Left out they are not sent at all.
      client.request(method, params as jayson.RequestParamsLike, (failure, error, result) => {
        if (failure !== null && failure !== undefined) {
          reject(failure);
        } else if (error !== undefined) {
          reject(Object.assign(new Error("an error response"), { response: error as Answer["error"] }));
        } else {
          resolve(result);
        }
      });
    });
  return { client, request };
}

function codeOf(thrown: unknown): unknown {
  return (thrown as { response?: Answer["error"] }).response?.code ?? thrown;
}
