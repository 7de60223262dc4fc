import { once } from "node:events";
import { request } from "node:http";
import type { ClientRequest, IncomingMessage } from "node:http";

import type { Target } from "./client.ts";

/** Begins an HTTP request with the server's key; the caller writes the body, and ends it. */
export function send(
  server: Target,
  method: string,
  path: string,
  headers: Record<string, string | number> = {},
): ClientRequest {
  return request(new URL(path, server.url), {
    method,
    headers: { Authorization: `Bearer ${server.apiKey}`, ...headers },
  });
}

/** The response to a request, as soon as its head is there. */
export async function responseTo(sent: ClientRequest): Promise<IncomingMessage> {
  const [response]: [IncomingMessage] = (await once(sent, "response")) as [IncomingMessage];
  return response;
}
