/**
 * Objects that Durable Stream is measured by. `OneRow` is the naive design: a row and a frame for each message.
 * `Ceiling` stores nothing: it sends a prepared frame to each follower for each frame that comes, which no design on this
 * runtime can go beyond. `BareGateway` and `BareStream` are the same design with nothing else in it.
 */
import { DurableObject } from "cloudflare:workers";

import type { BareGateway } from "./bare-design.ts";

export { BareGateway, BareStream } from "./bare-design.ts";

type PlainEnv = {
  ONE_ROW: DurableObjectNamespace<OneRow>;
  CEILING: DurableObjectNamespace<Ceiling>;
  BARE_GATEWAY: DurableObjectNamespace<BareGateway>;
};

const FOLLOWER = "follower";
const PUBLISHER = "publisher";
/** As long as a notification of one message of 100 bytes. */
const PREPARED = JSON.stringify({ method: "messages", data: "x".repeat(250) });

/** A log of one row a message. */
export class OneRow extends DurableObject<PlainEnv> {
  constructor(ctx: DurableObjectState, env: PlainEnv) {
    super(ctx, env);
    ctx.storage.sql.exec(
      "CREATE TABLE IF NOT EXISTS messages (sequence INTEGER PRIMARY KEY AUTOINCREMENT, data TEXT NOT NULL)",
    );
  }

  override fetch(request: Request): Response {
    const { searchParams } = new URL(request.url);
    const { 0: client, 1: server } = new WebSocketPair();
    const after = searchParams.get("after");
    this.ctx.acceptWebSocket(server, [after === null ? PUBLISHER : FOLLOWER]);
    if (after !== null && after !== "new") {
      const from = Number(after);
      const rows = this.ctx.storage.sql.exec<{ sequence: number; data: string }>(
        "SELECT sequence, data FROM messages WHERE sequence > ? ORDER BY sequence",
        from,
      );
      for (const { sequence, data } of rows) {
        server.send(`{"sequence":${sequence},"data":${data}}`);
      }
    }
    return new Response(null, { status: 101, webSocket: client });
  }

  override webSocketMessage(ws: WebSocket, text: string): void {
    const { id, data }: { id: number; data: unknown } = JSON.parse(text);
    const json = JSON.stringify(data);
    const { sequence } = this.ctx.storage.sql
      .exec<{ sequence: number }>("INSERT INTO messages (data) VALUES (?) RETURNING sequence", json)
      .one();
    ws.send(`{"id":${id},"sequence":${sequence}}`);
    for (const follower of this.ctx.getWebSockets(FOLLOWER)) {
      follower.send(`{"sequence":${sequence},"data":${json}}`);
    }
  }
}

/** Frames in, frames out. */
export class Ceiling extends DurableObject<PlainEnv> {
  override fetch(request: Request): Response {
    const { searchParams } = new URL(request.url);
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server, [searchParams.has("after") ? FOLLOWER : PUBLISHER]);
    return new Response(null, { status: 101, webSocket: client });
  }

  override webSocketMessage(ws: WebSocket): void {
    for (const follower of this.ctx.getWebSockets(FOLLOWER)) {
      follower.send(PREPARED);
    }
    ws.send(PREPARED);
  }
}

export default {
  fetch(request, env): Response | Promise<Response> {
    const [, kind, name = ""] = new URL(request.url).pathname.split("/");
    if (kind === "health") {
      return Response.json({ status: "ok" });
    }
    const objects = kind === "ceiling" ? env.CEILING : kind === "bare" ? env.BARE_GATEWAY : env.ONE_ROW;
    return objects.getByName(name).fetch(request);
  },
} satisfies ExportedHandler<PlainEnv>;
