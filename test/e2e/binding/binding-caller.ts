/** A Worker that makes the calls it is told to by service binding, and says what came of them. */
import { bindingError } from "../../../rpc/binding.ts";
import type { DurableStreamsBinding } from "../../../rpc/binding.ts";

/** What the caller is to do: a method of the contract, in the header `Call` as JSON. */
export type BindingCall = {
  method: "publish" | "getObject" | "getMessages" | "headObject" | "putObject" | "createObjectUrl";
  params: Record<string, unknown>;
  /** Where `data` comes from: the request, a Response, or a stream of so many bytes, at the end of which it may fail. */
  data?: "request" | "response" | { bytes: number; fails?: boolean };
};

/** What came of it. */
export type BindingOutcome = {
  result?: Record<string, unknown> & { text?: string };
  /** As `bindingError` tells it. */
  error?: { name: string; code: number; message: string; data?: unknown };
};

const CHUNK_BYTES = 50_000;

export default {
  async fetch(request: Request, { STREAMS }: { STREAMS: DurableStreamsBinding }): Promise<Response> {
    const call: BindingCall = JSON.parse(request.headers.get("Call") ?? "");
    try {
      return Response.json({ result: await make(STREAMS, call, request) });
    } catch (error) {
      const known = bindingError(error);
      return known === undefined
        ? new Response(String(error), { status: 500 })
        : Response.json({
            error: { name: known.name, code: known.code, message: known.message, data: known.data },
          });
    }
  },
};

async function make(streams: DurableStreamsBinding, { method, params, data }: BindingCall, request: Request) {
  const methods = streams as unknown as Record<string, (params: object) => Promise<Record<string, unknown>>>;
  const result = await methods[method]?.(data === undefined ? params : { ...params, data: bodyOf(request, data) });
  return result?.["data"] instanceof ReadableStream
    ? { ...result, data: undefined, text: await new Response(result["data"]).text() }
    : result;
}

function bodyOf(request: Request, data: NonNullable<BindingCall["data"]>): ReadableStream | null {
  if (data === "request") {
    return request.body;
  }
  return data === "response" ? new Response("hello").body : streamOf(data);
}

function streamOf({ bytes, fails = false }: { bytes: number; fails?: boolean }): ReadableStream {
  let left = bytes;
  return new ReadableStream({
    type: "bytes",
    pull(controller) {
      if (left > 0) {
        const chunk = new Uint8Array(Math.min(left, CHUNK_BYTES));
        left -= chunk.byteLength;
        controller.enqueue(chunk);
      } else if (fails) {
        controller.error(new RangeError("the disk is gone"));
      } else {
        controller.close();
      }
    },
  });
}
