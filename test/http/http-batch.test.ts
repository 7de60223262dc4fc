import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";

import { post } from "../harness/http.ts";

it("stores the publishes of one HTTP batch in the order of the batch, in one commit", async () => {
  const stream = "http-batch";
  const calls = Array.from({ length: 50 }, (_, id) => ({
    jsonrpc: "2.0",
    id,
    method: "publish",
    params: { stream, data: id },
  }));

  const { body } = await post(JSON.stringify(calls));

  const rows = await runInDurableObject(env.STREAM.getByName(stream), (_stream, { storage }) =>
    storage.sql.exec("SELECT first_sequence FROM batches").toArray(),
  );
  expect(body).toEqual(
    calls.map(({ id }) => ({ jsonrpc: "2.0", id, result: expect.objectContaining({ sequence: id + 1 }) })),
  );
  expect(rows).toEqual([{ first_sequence: 1 }]);
});

it("keeps the order of publishes on both sides of another call, and tells each its own outcome", async () => {
  const stream = "http-batch-mixed";
  const publish = (id: number, params: object = {}) => ({
    jsonrpc: "2.0",
    id,
    method: "publish",
    params: { stream, data: id, ...params },
  });

  const { body } = await post(
    JSON.stringify([
      publish(1),
      publish(2, { expect: { lastSequence: 7 } }),
      { jsonrpc: "2.0", id: 3, method: "getStreamInfo", params: { stream } },
      publish(4),
    ]),
  );

  expect(body).toMatchObject([
    { id: 1, result: { sequence: 1 } },
    { id: 2, error: { data: { lastSequence: 1 } } },
    { id: 3, result: { lastSequence: 1 } },
    { id: 4, result: { sequence: 2 } },
  ]);
});
