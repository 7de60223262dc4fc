/**
 * The calls that @open-rpc/test-coverage makes of the document: those of its examples, and those that its faker makes of
 * the schemas. Each result must fit its schema. An error that the method declares passes: what a call made up alone asks
 * for is often not there.
 */
import { createRequire } from "node:module";

import { describe, expect } from "vitest";

import { ErrorCode, openRpcDocument } from "../../../rpc/index.ts";
import type { Client } from "../server/client.ts";
import { test } from "../server/fixtures.ts";

type Answer = { result?: unknown; error?: { code: number } };
type Call = Answer & { methodName: string; params: object; valid?: boolean; reason?: string; requestError?: unknown };
type Rule = { getCalls(document: unknown, method: { name: string }): Call[]; validateCall(call: Call): Call };
type Document = ReturnType<typeof openRpcDocument>;
type Transport = (url: string, method: string, params: object) => Promise<Answer>;

const require = createRequire(import.meta.url);
/** Its parts, as its entry loads a reporter that is left out here (`overrides` in package.json). */
const part = (name: string) => require(`@open-rpc/test-coverage/build/${name}`).default;
const cover: (options: object) => Promise<Call[]> = part("coverage");
const ExamplesRule: new () => Rule = part("rules/examples-rule");
const FakerRule: new (options: { numCalls: number }) => Rule = part("rules/json-schema-faker-rule");
const faker = require("json-schema-faker");
const {
  parseOpenRPCDocument,
}: { parseOpenRPCDocument: (document: unknown) => Promise<Document> } = require("@open-rpc/schema-utils-js");

/** What a document alone can ask for, without the socket, the lease or the upload that a call before would give. */
const ANSWERED_WITH_A_RESULT = [
  "getServerInfo",
  "publish",
  "publishBatch",
  "getMessages",
  "deleteMessages",
  "getStreamInfo",
  "configureStream",
  "deleteStream",
  "getState",
  "putState",
  "checkpoint",
  "createConsumer",
  "updateConsumer",
  "getConsumer",
  "listConsumers",
  "pauseConsumer",
  "seekConsumer",
  "fetchMessages",
  "getDeadLetters",
  "retryDeadLetters",
  "deleteDeadLetters",
  "putObject",
  "deleteObject",
  "listObjects",
  "createUpload",
];

const TRANSPORTS = ["a WebSocket", "HTTP"] as const;

describe.each(TRANSPORTS)("over %s", (name) => {
  test("every example is answered as its method says", async ({ server, connect }) => {
    const client = await connect();
    const transport = name === "HTTP" ? postTo(server) : callsOf(client);
    const document = await parseOpenRPCDocument(JSON.parse(JSON.stringify(openRpcDocument("1.2.3"))));

    const calls = await run(document, new ExamplesRule(), transport);

    expect(faultsOf(calls)).toEqual([]);
    const results = calls.filter(({ error }) => error === undefined).map(({ methodName }) => methodName);
    expect(results).toEqual(expect.arrayContaining(ANSWERED_WITH_A_RESULT));
  });

  test("calls made of the schemas are answered as their methods say", async ({ server, connect }) => {
    const client = await connect();
    const transport = name === "HTTP" ? postTo(server) : callsOf(client);
    const document = await parseOpenRPCDocument(JSON.parse(JSON.stringify(openRpcDocument("1.2.3"))));
    const methods = document.methods.map(({ examples: _examples, ...method }) => method);
    faker.option({ random: seeded(42), maxItems: 20, maxLength: 200, optionalsProbability: 0.5 });

    const calls = await run({ ...document, methods } as Document, new FakerRule({ numCalls: 5 }), transport);

    expect(faultsOf(calls)).toEqual([]);
    expect(calls.length).toBeGreaterThan(methods.length * 4);
  });
});

function callsOf(client: Client): Transport {
  return (_url, method, params) => client.request(method, params);
}

function postTo(server: { url: string; apiKey: string }): Transport {
  return async (_url, method, params) => {
    const headers = { Authorization: `Bearer ${server.apiKey}` };
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    const response = await fetch(`${server.url}/rpc`, { method: "POST", headers, body });
    return (await response.json()) as Answer;
  };
}

/** Runs the calls that a rule makes, one after the other. */
function run(openrpcDocument: Document, rule: Rule, transport: Transport): Promise<Call[]> {
  const declared = new Map(
    openrpcDocument.methods.map(({ name, errors }) => [name as string, errors.map(({ code }) => code as number)]),
  );
  const declaredErrorsPass: Rule = {
    getCalls: (document, method) => rule.getCalls(document, method),
    validateCall: (call) => {
      if (call.error === undefined) {
        return rule.validateCall(call);
      }
      const isDeclared = declared.get(call.methodName)?.includes(call.error.code) === true;
      return Object.assign(call, { valid: isDeclared && call.error.code !== ErrorCode.InternalError });
    },
  };
  return cover({ openrpcDocument, transport, rules: [declaredErrorsPass], reporters: [], skip: [], only: [] });
}

function faultsOf(calls: readonly Call[]): object[] {
  return calls
    .filter(({ valid }) => valid !== true)
    .map(({ methodName, params, error, reason, requestError }) => ({
      methodName,
      params,
      error,
      reason,
      requestError,
    }));
}

/** Numbers from 0 to 1 that are the same in every run (a linear congruential generator). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
