import { env } from "cloudflare:workers";

import { CALLABLE_METHODS, isMethodName, METHOD_TRAITS } from "../../rpc/index.ts";
import type { BindingDelivery, MethodName } from "../../rpc/index.ts";
import type { Access } from "../../src/access/access.ts";
import { openSocket } from "../../src/gateway/open-socket.ts";
import { answerHttp } from "../../src/http/rpc.ts";
import { answerObjects } from "../../src/objects/http/object-http.ts";
import { TestClient } from "../harness/client.ts";
import { binding } from "../harness/service.ts";

/** A caller of this server with a given access, by one of the ways in. */
export type Caller = {
  /** What can be called this way. */
  readonly methods: readonly MethodName[];
  /** Makes a call. @returns What came of it, whether or not it failed. */
  call(method: MethodName, params: object): Promise<Outcome>;
  /** All that it was told so far: results, errors, notifications and headers, as text. */
  heard(): string;
  /** How many messages it was sent by subscriptions so far. */
  delivered(): number;
  close(): void;
};

type Outcome = { readonly result?: unknown; readonly error?: { readonly code: number } };

const ALL = Object.keys(METHOD_TRAITS).filter(isMethodName);

/** Each way in. */
export const WAYS: readonly (readonly [name: string, open: (access: Access) => Promise<Caller>])[] = [
  ["a socket", bySocket],
  ["POST /rpc", byHttp],
  ["/r2", byObjectHttp],
  ["a binding", byBinding],
];

/** Opens a socket to a gateway as the Worker does for who has this access. */
export async function socketOf(access: Access, path = "/rpc"): Promise<TestClient> {
  const handshake = new Request(`http://stream.test${path}`, { headers: { Upgrade: "websocket" } });
  const { status, webSocket } = await openSocket(env, { location: "local", access }, handshake);
  if (webSocket === null) {
    throw new Error(`the handshake was refused: ${status}`);
  }
  return new TestClient(webSocket);
}

async function bySocket(access: Access): Promise<Caller> {
  const client = await socketOf(access);
  return {
    methods: ALL,
    call: (method, params) => client.request(method, params),
    heard: () => client.frames.join("\n"),
    delivered: () => client.sequences().length,
    close: () => client.close(),
  };
}

async function byHttp(access: Access): Promise<Caller> {
  const heard: string[] = [];
  return {
    methods: CALLABLE_METHODS,
    call: async (method, params) => {
      const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
      const response = await answerHttp(new Request("http://stream.test/rpc", { method: "POST", body }), env, access);
      return JSON.parse(await textOf(response, heard)) as Outcome;
    },
    heard: () => heard.join("\n"),
    delivered: () => 0,
    close: () => undefined,
  };
}

/** The requests for objects, by the methods that they stand for. */
const VERBS: { readonly [method: string]: string } = {
  getObject: "GET",
  headObject: "HEAD",
  putObject: "PUT",
  deleteObject: "DELETE",
  listObjects: "GET",
};

async function byObjectHttp(access: Access): Promise<Caller> {
  const heard: string[] = [];
  const call = async (method: MethodName, params: { key?: string; keys?: string[]; data?: string }) => {
    const { key = params.keys?.[0], data, ...query } = params;
    const target =
      method === "listObjects"
        ? { path: "", query: new URLSearchParams(query as Record<string, string>).toString() }
        : { path: `/${encodeURIComponent(key ?? "")}`, query: "" };
    const request = new Request("http://stream.test/r2", {
      method: VERBS[method] ?? "",
      ...(data === undefined ? {} : { body: data, headers: { "Content-Length": String(data.length) } }),
    });
    const response = await answerObjects(request, { env, access }, target);
    const text = await textOf(response, heard);
    return response.ok ? { result: text } : { error: { code: response.status } };
  };
  return {
    methods: ALL.filter((method) => Object.hasOwn(VERBS, method)),
    call,
    heard: () => heard.join("\n"),
    delivered: () => 0,
    close: () => undefined,
  };
}

async function byBinding({ rights, prefix }: Access): Promise<Caller> {
  const streams = binding({ rights, ...(prefix === undefined ? {} : { prefix }) });
  const stubs = streams as unknown as Record<string, (params: object, ...rest: unknown[]) => Promise<unknown>>;
  const heard: string[] = [];
  const open: { unsubscribe(): Promise<void> }[] = [];
  let delivered = 0;
  const onMessages = (delivery: BindingDelivery) => {
    heard.push(JSON.stringify(delivery));
    delivered += delivery.messages.length;
  };
  return {
    methods: [...CALLABLE_METHODS, "subscribe"],
    call: async (method, params) => {
      try {
        const result = await stubs[method]?.(params, ...(method === "subscribe" ? [onMessages] : []));
        if (method === "subscribe") {
          const { subscription, ...start } = result as { subscription: (typeof open)[number] };
          open.push(subscription);
          heard.push(JSON.stringify(start));
          return { result: start };
        }
        heard.push(JSON.stringify(result));
        return { result };
      } catch (error) {
        const { message, code, data } = error as Error & { code: number; data: unknown };
        heard.push(JSON.stringify({ message, code, data }));
        return { error: { code } };
      }
    },
    heard: () => heard.join("\n"),
    delivered: () => delivered,
    close: () => open.forEach((subscription) => void subscription.unsubscribe()),
  };
}

async function textOf(response: Response, heard: string[]): Promise<string> {
  const text = await response.text();
  heard.push(JSON.stringify([...response.headers]), text);
  return text;
}
