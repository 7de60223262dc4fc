import { CloseCode, RpcError } from "../../rpc/index.ts";
import type { Access } from "../access/access.ts";
import { ACCESS_HEADER, isRoot, toAccessHeader } from "../access/access-header.ts";

import { closeQuietly } from "./closing.ts";

/** Who opens a socket, and where: a data centre, or a name that stands for none. */
type Opening = { readonly location: string; readonly access: Access };

/**
 * Passes a handshake on to one of the gateways of a location, picked at random, and tells it who calls.
 *
 * @returns The gateway's answer.
 * @throws Unavailable when the gateway runs code that would not hold the socket to its access.
 */
export async function openSocket(env: Env, { location, access }: Opening, handshake: Request): Promise<Response> {
  const shard = Math.floor(Math.random() * Math.max(1, Number(env.GATEWAY_SHARDS)));
  const headers = new Headers(handshake.headers);
  // Whatever the client sent of that name.
  headers.set(ACCESS_HEADER, toAccessHeader(access));
  // By fetch, because a WebSocket can not cross an RPC boundary; everything else is a method call.
  const response = await env.GATEWAY.getByName(`${location}-${shard}`).fetch(new Request(handshake.url, { headers }));
  const { status, webSocket } = response;
  if (!isRoot(access) && response.headers.get(ACCESS_HEADER) === null) {
    webSocket?.accept();
    if (webSocket !== null) {
      closeQuietly(webSocket, CloseCode.Normal, "");
    }
    throw new RpcError("Unavailable", "the gateway is of an earlier version; nothing was done");
  }
  if (webSocket === null) {
    return response;
  }
  const shown = new Headers(response.headers);
  shown.delete(ACCESS_HEADER);
  return new Response(null, { status, headers: shown, webSocket });
}
