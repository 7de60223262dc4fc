/** A scripted server of objects, by calls and over HTTP, and what its tests share. */
import { vi } from "vitest";

import type { Fetch } from "../../../rpc/client.ts";
import { LIMITS } from "../../../rpc/index.ts";

import { pass, published, ScriptedServer } from "../scripted-server.ts";
import type { SentCall, ScriptedSocket, Watched } from "../scripted-server.ts";

export const PART = LIMITS.objectBodyBytes;
export const LARGE = new Uint8Array(PART * 2 + 1).fill(7);
export const INFO = { key: "k", size: LARGE.length, etag: "e", uploadedAt: 1, contentType: "text/plain", metadata: {} };
const UPLOAD_ID = "b3b7e6a0-0000-4000-8000-000000000000";

/** Of the real clock: bodies are read by threads that know nothing of vitest's. */
const realTurn = setImmediate;

/** What a test has: all of it is new in each. */
type Scene = {
  server: ScriptedServer;
  /** What the server answers to a call; what it gives nothing for is not answered. */
  answers: Record<string, (call: SentCall) => { result?: object; error?: object } | undefined>;
  /** What was sent over HTTP. */
  requests: { url: string; method: string; headers: Record<string, string> }[];
  /** How many bodies of {@link some} were let go of. */
  cancelled: number;
};

export const scene: Scene = { server: new ScriptedServer(), answers: {}, requests: [], cancelled: 0 };

/** For `beforeEach`. */
export function beginScene(): void {
  vi.useFakeTimers();
  // Of a pause that is random, one in some hundred takes no time of this clock: it would end while a test waits.
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  scene.requests = [];
  scene.cancelled = 0;
  scene.answers = {
    putObject: () => ({ result: INFO }),
    createUpload: () => ({ result: { key: "k", uploadId: UPLOAD_ID, expiresAt: 1 } }),
    uploadPart: ({ params }) => ({ result: { partNumber: params["partNumber"], etag: "p" } }),
    completeUpload: () => ({ result: INFO }),
    abortUpload: () => ({ result: {} }),
    publish: () => ({ result: published(1) }),
    getObject: ({ params }) => ({ result: pageOf(params["range"]) }),
  };
  scene.server = new ScriptedServer();
  scene.server.onConnect = (socket) => {
    socket.onCall = (call) => queueMicrotask(() => answer(socket, call));
    queueMicrotask(() => socket.open());
  };
}

/** For `afterEach`. */
export function endScene(): void {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
}

export function answer(socket: ScriptedSocket, call: SentCall): void {
  const said = scene.answers[call.method]?.(call);
  if (said !== undefined) {
    socket.answer({ id: call.id, ...said });
  }
}

export function pageOf(range: unknown): object {
  const { offset, length } = range as { offset: number; length: number };
  const bytes = LARGE.subarray(offset, offset + length);
  return { ...INFO, data: Buffer.from(bytes).toString("base64"), encoding: "base64", range };
}

export function failure(code: number, data: object = {}): { error: object } {
  return { error: { code, message: "as scripted", data } };
}

/** Waits, in turns of the real clock, for something that happens without time passing. */
export async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let turns = 0; !isSo(); turns += 1) {
    if (turns > 2_000) {
      throw new Error(`waited in vain for ${what}`);
    }
    await new Promise((resolve) => realTurn(resolve));
    await pass();
  }
}

export async function settled(watched: Watched): Promise<unknown> {
  await until("the promise to be settled", () => watched.outcome !== "pending");
  return watched.outcome;
}

/** Lets so much time pass, and what reads bodies keep up. */
export async function passSteps(ms: number, steps = 20): Promise<void> {
  for (let step = 0; step < steps; step += 1) {
    await pass(ms / steps);
    for (let turn = 0; turn < 10; turn += 1) {
      await new Promise((resolve) => realTurn(resolve));
    }
  }
}

export function calls(method: string): SentCall[] {
  return scene.server.sockets.flatMap((socket) => socket.calls(method));
}

export function publishedData(): unknown[] {
  return calls("publish").map(({ params }) => params["data"]);
}

/** A `fetch` that does one thing after the other, the last of them again and again. */
export function scripted(...script: ((init: Parameters<Fetch>[1]) => Response | Error | undefined)[]): Fetch {
  return async (url, init) => {
    const does = script[Math.min(scene.requests.length, script.length - 1)];
    scene.requests.push({ url, method: init.method, headers: Object.fromEntries(init.headers) });
    const done = does?.(init);
    if (done instanceof Error) {
      throw done;
    }
    return done ?? new Promise((_, reject) => init.signal.addEventListener("abort", () => reject(init.signal.reason)));
  };
}

export const networkFails = () => new TypeError("fetch failed");
export const silent = () => undefined;
export const stored = () => Response.json(INFO);
export const refused =
  (status: number, code: number, data: object = {}) =>
  () =>
    Response.json({ jsonrpc: "2.0", id: null, ...failure(code, data) }, { status });

/** A part of the object from the offset that is asked for: so many bytes, and then the end that is given. */
export function some(bytes: number, end: "ends" | "breaks" | "stalls"): (init: Parameters<Fetch>[1]) => Response {
  return ({ headers }) => {
    const offset = Number(/^bytes=(\d+)-$/.exec(headers.get("Range") ?? "")?.[1]);
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        if (bytes > 0) {
          controller.enqueue(LARGE.subarray(offset, offset + bytes));
        }
        if (end === "ends") {
          controller.close();
        }
      },
      pull(controller) {
        if (end === "breaks") {
          controller.error(new TypeError("terminated"));
        }
      },
      cancel() {
        scene.cancelled += 1;
      },
    });
    const range = { "Content-Range": `bytes ${offset}-${LARGE.length - 1}/${LARGE.length}` };
    return new Response(body, { status: 206, headers: range });
  };
}

/** A body that gives so many bytes and then nothing, with what became of it. */
export function stalling(bytes: number): { body: ReadableStream<Uint8Array>; reason: () => unknown } {
  let reason: unknown = "not cancelled";
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new Uint8Array(bytes)),
    cancel: (given) => {
      reason = given;
    },
  });
  return { body, reason: () => reason };
}

export async function readAll(body: ReadableStream<Uint8Array>): Promise<number> {
  let bytes = 0;
  const reader = body.getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    bytes += read.value.length;
  }
  return bytes;
}
