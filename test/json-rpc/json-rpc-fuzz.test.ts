import fc from "fast-check";
import { expect, it } from "vitest";

import { METHODS } from "../../rpc/index.ts";
import { connect } from "../harness/client.ts";
import type { TestClient } from "../harness/client.ts";
import { post } from "../harness/http.ts";

const member = fc.oneof(
  fc.constantFrom<unknown>("2.0", 1, 0, -1, null, "a", "", true, 1.5, {}, []),
  fc.jsonValue({ maxDepth: 2 }),
);

const params = fc.oneof(
  fc.record({ stream: fc.constantFrom("fuzz-a", "fuzz-b", "", 1), data: fc.jsonValue() }, { requiredKeys: [] }),
  fc.record(
    { stream: fc.constantFrom("fuzz-a", "fuzz-b"), through: member, sequences: member, subscription: member },
    { requiredKeys: ["stream"] },
  ),
  fc.record({ stream: fc.constant("fuzz-a"), state: fc.jsonValue(), expectedRevision: member }, { requiredKeys: [] }),
  fc.jsonValue({ maxDepth: 3 }),
);

/** Mostly requests, some with a member missing or of another kind. Nothing subscribes: notifications are no answers. */
const element = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record(
      {
        jsonrpc: fc.constant<unknown>("2.0"),
        method: fc.oneof(
          fc.constantFrom(...Object.keys(METHODS).filter((name) => name !== "subscribe" && name !== "rpc.discover")),
          fc.string(),
        ),
        id: fc.oneof(fc.integer(), fc.string({ unit: "binary" }), fc.constant(null), member),
        params,
      },
      { requiredKeys: ["jsonrpc", "method"] },
    ),
  },
  {
    weight: 2,
    arbitrary: fc.record({ jsonrpc: member, method: member, id: member, params: member }, { requiredKeys: [] }),
  },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
);

const jsonText = fc
  .oneof({ weight: 2, arbitrary: element }, { weight: 1, arbitrary: fc.array(element, { maxLength: 8 }) })
  .map((value) => JSON.stringify(value));

/** Texts that were JSON before something was cut, doubled or put in. */
const brokenText = fc
  .tuple(jsonText, fc.nat(), fc.string({ unit: "binary", maxLength: 4 }))
  .map(([text, at, noise]) => text.slice(0, at % (text.length + 1)) + noise + text.slice((at * 7) % (text.length + 1)));

/** Any text as a client sends it: `send` of the WebSockets standard takes a USVString, but workerd's sends half pairs. */
const anyText = fc
  .oneof(
    { weight: 4, arbitrary: jsonText },
    { weight: 2, arbitrary: brokenText },
    { weight: 1, arbitrary: fc.string({ unit: "binary" }) },
  )
  .map((text) => text.toWellFormed());

/** The ids a frame is owed an answer for, by a reading of the specification that shares no code with the server's. */
function owedIds(text: string): unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return [null];
  }
  const elements: unknown[] = Array.isArray(value) ? value : [value];
  return elements.length === 0 ? [null] : elements.flatMap(owedIdOf);
}

function owedIdOf(value: unknown): unknown[] {
  if (Object.prototype.toString.call(value) !== "[object Object]") {
    return [null];
  }
  const { jsonrpc, method, params: given, id } = value as Record<string, unknown>;
  const isRequest =
    jsonrpc === "2.0" && typeof method === "string" && (given === undefined || typeof given === "object");
  if (id === undefined) {
    return isRequest ? [] : [null];
  }
  const isOdd =
    typeof id === "object" ||
    typeof id === "boolean" ||
    (typeof id === "number" && Number.isInteger(id) && Math.abs(id) > Number.MAX_SAFE_INTEGER);
  return [isOdd ? null : id];
}

/** Checks that an answer is what section 5 calls a response, and tells its id. */
function idOfResponse(response: unknown): unknown {
  expect(response).toBeTypeOf("object");
  const { jsonrpc, id, result, error, ...others } = response as Record<string, unknown>;
  expect(jsonrpc).toBe("2.0");
  expect(others).toEqual({});
  expect((result === undefined) !== (error === undefined)).toBe(true);
  if (error !== undefined) {
    const { code, message } = error as Record<string, unknown>;
    expect(code).toSatisfy(Number.isInteger);
    expect(code).not.toBe(-32_603);
    expect(message).toBeTypeOf("string");
  }
  return id;
}

function idsOfAnswer(answer: unknown): unknown[] {
  if (!Array.isArray(answer)) {
    return [idOfResponse(answer)];
  }
  expect(answer).not.toEqual([]);
  return answer.map(idOfResponse);
}

/** JSON of -0 is 0. */
function plainIds(ids: unknown[]): unknown {
  return JSON.parse(JSON.stringify(ids));
}

async function answersOf(client: TestClient, text: string, owed: number): Promise<unknown> {
  if (owed === 0) {
    client.send(text);
    return undefined;
  }
  return client.exchange(text);
}

it(
  "answers whatever comes on a socket, each id once and in order, and never closes it",
  { timeout: 60_000 },
  async () => {
    const client = await connect();
    let owedFrames = 0;

    await fc.assert(
      fc.asyncProperty(anyText, async (text) => {
        const owed = owedIds(text);
        const answer = await answersOf(client, text, owed.length);
        if (owed.length > 0) {
          owedFrames += 1;
          expect(plainIds(idsOfAnswer(answer))).toEqual(plainIds(owed));
        }
      }),
      { numRuns: 600 },
    );

    // What is owed nothing may still be under way; it is answered nothing all the same.
    await client.call("publish", { stream: "fuzz-a", data: "last" });
    expect(client.frames).toHaveLength(owedFrames + 1);
    expect(client.closed).toBeUndefined();
  },
);

it("answers whatever bytes are posted", { timeout: 60_000 }, async () => {
  const anyBytes = fc.oneof(
    anyText.map((text) => new TextEncoder().encode(text)),
    fc.uint8Array({ maxLength: 64 }),
  );

  await fc.assert(
    fc.asyncProperty(anyBytes, async (bytes) => {
      const owed = owedIds(textOf(bytes));
      const { status, body } = await post(bytes);
      expect(status).toBe(owed.length === 0 ? 204 : 200);
      expect(plainIds(owed.length === 0 ? [] : idsOfAnswer(body))).toEqual(plainIds(owed));
    }),
    { numRuns: 400 },
  );
});

/** Bytes that are not UTF-8 are not JSON either. */
function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return "";
  }
}
