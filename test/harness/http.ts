import { env, exports } from "cloudflare:workers";

/** What `POST /rpc` answered; `body` is undefined when there was none. */
export type HttpAnswer = { status: number; headers: Headers; body: unknown };

/** Sends a request to the Worker, with the key unless other headers are given. */
export function request(path: string, init: RequestInit = {}): Promise<Response> {
  return exports.default.fetch(`http://stream.test${path}`, {
    ...init,
    headers: init.headers ?? { Authorization: `Bearer ${env.API_KEY}` },
  });
}

/** Sends a body to `POST /rpc` as it is. */
export async function post(body: string | Uint8Array): Promise<HttpAnswer> {
  const response = await request("/rpc", { method: "POST", body });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === "" ? undefined : JSON.parse(text) };
}

/** Calls a method over HTTP and returns its response object. */
export async function postCall(method: string, params: unknown): Promise<unknown> {
  const { body } = await post(JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }));
  return body;
}
