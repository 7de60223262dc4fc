/** The ways by which a credential comes to a server. */
import { WebSocket } from "ws";

import { ErrorCode } from "../../../rpc/index.ts";

/** What a server said to a credential. */
export type Said =
  | { readonly isLetIn: true }
  | {
      readonly isLetIn: false;
      readonly status: number;
      readonly challenge: string | null;
      /** The error of the body; of a socket that was closed its code and reason. */
      readonly error: { readonly code: number; readonly message: string; readonly reason?: string };
    };

/** Each way, by what a reader calls it. */
export const WAYS = {
  "POST /rpc": byPost,
  "a socket by the header": (url: string, credential: string) =>
    bySocket(url, [], { Authorization: `Bearer ${credential}` }),
  "a socket by the subprotocol": (url: string, credential: string) =>
    bySocket(url, ["durable-stream.v1", subprotocol(credential)]),
};

function subprotocol(credential: string): string {
  return `bearer.${Buffer.from(credential).toString("base64url")}`;
}

async function byPost(url: string, credential: string): Promise<Said> {
  const body = '{"jsonrpc":"2.0","id":1,"method":"getServerInfo"}';
  const headers = { Authorization: `Bearer ${credential}` };
  const response = await fetch(new URL("/rpc", url), { method: "POST", body, headers });
  const { error }: { error?: { code: number; message: string; data?: { reason?: string } } } =
    (await response.json()) as object;
  return error === undefined
    ? { isLetIn: true }
    : refused(response.status, response.headers.get("WWW-Authenticate"), error);
}

function refused(
  status: number,
  challenge: string | null,
  { code, message, data }: { code: number; message: string; data?: { reason?: string } },
): Said {
  const reason = data?.reason === undefined ? {} : { reason: data.reason };
  return { isLetIn: false, status, challenge, error: { code, message, ...reason } };
}

/** Opens a socket, and asks something on it: one that is closed with a code was open before. */
function bySocket(url: string, protocols: string[], headers: Record<string, string> = {}): Promise<Said> {
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(new URL("/rpc", url.replace(/^http/, "ws")), protocols, { headers });
    ws.on("open", () => ws.send('{"jsonrpc":"2.0","id":1,"method":"getServerInfo"}'));
    ws.on("message", () => {
      ws.terminate();
      resolve({ isLetIn: true });
    });
    ws.on("close", (code, reason) => {
      const error = { code: code === 4401 ? ErrorCode.Unauthenticated : code, message: reason.toString() };
      resolve({ isLetIn: false, status: 101, challenge: null, error });
    });
    ws.on("unexpected-response", (_request, response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        const { error } = JSON.parse(Buffer.concat(chunks).toString());
        resolve(refused(response.statusCode ?? 0, response.headers["www-authenticate"] ?? null, error));
      });
    });
    ws.on("error", reject);
  });
}
