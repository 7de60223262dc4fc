/**
 * A Worker of its own that keeps orders in a stream, by service binding: no key, no socket, no network in between. Its
 * wrangler.toml would say
 *
 *     [[services]]
 *     binding = "STREAMS"
 *     service = "durable-stream"
 *     entrypoint = "DurableStreams"
 *     props = { streams = ["orders"] }
 *
 * In a project of its own, the import is "durable-stream/binding".
 */
import { bindingError } from "../../rpc/binding.ts";
import type { DurableStreamsBinding } from "../../rpc/binding.ts";

type Bindings = { STREAMS: DurableStreamsBinding };

const stream = "orders";

export default {
  async fetch(request: Request, { STREAMS }: Bindings): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (request.method === "POST") {
      return order(request, STREAMS);
    }
    if (pathname === "/live") {
      return live(STREAMS, Number(searchParams.get("count")));
    }
    const { messages } = await STREAMS.getMessages({ stream });
    return Response.json(messages.map(({ sequence, data }) => ({ sequence, data })));
  },
};

/** Stores an order; the caller's key makes that a repeated one is stored once. */
async function order(request: Request, streams: DurableStreamsBinding): Promise<Response> {
  try {
    const id = request.headers.get("Idempotency-Key") ?? crypto.randomUUID();
    const name = new URL(request.url).searchParams.get("stream") ?? stream;
    const { sequence, duplicate } = await streams.publish({ stream: name, data: await request.json(), id });
    return Response.json({ sequence, duplicate });
  } catch (error) {
    const refused = bindingError(error);
    if (refused === undefined) {
      // It did not come from the other Worker: whether the order was stored is not known.
      throw error;
    }
    return Response.json({ code: refused.code }, { status: 422 });
  }
}

/** Sends orders as they come, as server-sent events. The response keeps this Worker awake, and so the subscription. */
async function live(streams: DurableStreamsBinding, count: number): Promise<Response> {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const encoder = new TextEncoder();
  let sent = 0;
  const { subscription } = await streams.subscribe({ stream }, async ({ messages }) => {
    for (const { sequence, data } of messages.slice(0, count - sent)) {
      await writer.write(encoder.encode(`id: ${sequence}\ndata: ${JSON.stringify(data)}\n\n`));
      sent += 1;
    }
    if (sent === count) {
      await writer.close();
      await subscription.unsubscribe();
    }
  });
  return new Response(readable, { headers: { "Content-Type": "text/event-stream" } });
}
