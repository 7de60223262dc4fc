/**
 * The design of Durable Stream with nothing in it but the way of a message: a gateway that gathers what came into one
 * call, a stream that stores it as one row, an answer for each. No validation, limits, ids, order or fan-out. What it
 * costs is what this design costs on this runtime whatever is done about the rest.
 */
import { DurableObject } from "cloudflare:workers";

type BareEnv = { BARE_STREAM: DurableObjectNamespace<BareStream> };
type Publish = { id: number; data: unknown };
type Waiting = { ws: WebSocket; isBatch: boolean; ids: number[]; texts: string[] };

/** Takes publishes, one a frame or an array of them; the name of its stream is its own. */
export class BareGateway extends DurableObject<BareEnv> {
  #waiting: Waiting[] = [];
  #isFlushing = false;
  #stub: DurableObjectStub<BareStream> | undefined;

  override fetch(): Response {
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }

  override webSocketMessage(ws: WebSocket, text: string): Promise<void> | undefined {
    const parsed: Publish | Publish[] = JSON.parse(text);
    const isBatch = Array.isArray(parsed);
    const publishes = isBatch ? parsed : [parsed];
    const texts = publishes.map(({ data }) => JSON.stringify(data));
    this.#waiting.push({ ws, isBatch, ids: publishes.map(({ id }) => id), texts });
    if (this.#isFlushing) {
      return undefined;
    }
    this.#isFlushing = true;
    return this.#flush();
  }

  async #flush(): Promise<void> {
    this.#stub ??= this.env.BARE_STREAM.getByName(this.ctx.id.name ?? "");
    while (this.#waiting.length > 0) {
      const group = this.#waiting;
      this.#waiting = [];
      let sequence = await this.#stub.store(group.flatMap(({ texts }) => texts));
      for (const { ws, isBatch, ids } of group) {
        const answers = ids.map((id) => `{"id":${id},"sequence":${sequence++}}`);
        ws.send(isBatch ? `[${answers.join()}]` : answers.join());
      }
      await scheduler.wait(0);
    }
    this.#isFlushing = false;
  }
}

/** Stores the messages of a call as one row. */
export class BareStream extends DurableObject<BareEnv> {
  #last = 0;

  constructor(ctx: DurableObjectState, env: BareEnv) {
    super(ctx, env);
    ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS batches (first INTEGER PRIMARY KEY, messages TEXT NOT NULL)");
  }

  /** @returns The sequence of the first. */
  store(texts: string[]): number {
    const first = this.#last + 1;
    const messages = texts.map((text, index) => `{"sequence":${first + index},"data":${text}}`);
    this.ctx.storage.sql.exec("INSERT INTO batches (first, messages) VALUES (?, ?)", first, messages.join());
    this.#last += texts.length;
    return first;
  }
}
