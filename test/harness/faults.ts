import { env } from "cloudflare:workers";
import { runInDurableObject } from "cloudflare:test";
import { vi } from "vitest";

import type { Directory } from "../../src/directory/directory.ts";
import type { Gateway } from "../../src/gateway/gateway.ts";
import type { Upload } from "../../src/objects/upload/upload.ts";
import { directoryOf } from "../../src/internal/directory-calls.ts";
import type { Stream } from "../../src/stream/stream.ts";

/**
 * Faults between the real objects: a remote method that loses, delays or crashes. Undo them with `vi.restoreAllMocks`.
 */

/** The remote methods of an object that faults are injected into. */
type StreamMethods = Pick<
  Stream,
  "publish" | "info" | "follow" | "position" | "readPage" | "joinConsumer" | "applyAcks"
>;
type GatewayMethods = Pick<Gateway, "deliver" | "deliverConsumer" | "unknownHolders">;
type UploadMethods = Pick<Upload, "create" | "putPart">;
type DirectoryMethods = Pick<Directory, "tell">;

type Fault<Self, Method extends (...args: never[]) => unknown> = (
  this: Self,
  original: (...args: Parameters<Method>) => ReturnType<Method>,
  ...args: Parameters<Method>
) => ReturnType<Method> | Promise<Awaited<ReturnType<Method>>>;

/** Puts a fault in the place of a method of every Stream; `original` runs the real one on the same object. */
export async function faultStream<M extends keyof StreamMethods>(
  method: M,
  fault: Fault<Stream, StreamMethods[M]>,
): Promise<void> {
  // Only methods of the prototype can be called by RPC.
  const prototype = await runInDurableObject(env.STREAM.getByName("any"), (stream: Stream): StreamMethods =>
    Object.getPrototypeOf(stream),
  );
  replace(prototype, method, fault);
}

/** Puts a fault in the place of a method of every Gateway. */
export async function faultGateway<M extends keyof GatewayMethods>(
  method: M,
  fault: Fault<Gateway, GatewayMethods[M]>,
): Promise<void> {
  const prototype = await runInDurableObject(env.GATEWAY.getByName("any"), (gateway: Gateway): GatewayMethods =>
    Object.getPrototypeOf(gateway),
  );
  replace(prototype, method, fault);
}

/** Puts a fault in the place of a method of every Upload. */
export async function faultUpload<M extends keyof UploadMethods>(
  method: M,
  fault: Fault<Upload, UploadMethods[M]>,
): Promise<void> {
  const prototype = await runInDurableObject(env.UPLOAD.getByName("any"), (upload: Upload): UploadMethods =>
    Object.getPrototypeOf(upload),
  );
  replace(prototype, method, fault);
}

/** Puts a fault in the place of a method of the Directory. */
export async function faultDirectory<M extends keyof DirectoryMethods>(
  method: M,
  fault: Fault<Directory, DirectoryMethods[M]>,
): Promise<void> {
  const prototype = await runInDurableObject(directoryOf(env), (directory: Directory): DirectoryMethods =>
    Object.getPrototypeOf(directory),
  );
  replace(prototype, method, fault);
}

/** Takes an object down from within, before its caller hears of it: as good as a deploy or a crash of its machine. */
export function crash(object: Stream | Gateway | Upload | Directory): never {
  // `ctx` is protected in the type, and all there is to crash an object by.
  const { ctx } = object as unknown as { ctx: DurableObjectState };
  ctx.abort("crash injected by a test");
  throw new Error("unreachable");
}

function replace(prototype: object, method: string, fault: unknown): void {
  const methods = prototype as Record<string, (...args: unknown[]) => unknown>;
  const original = methods[method];
  const injected = fault as (this: unknown, original: unknown, ...args: unknown[]) => unknown;
  vi.spyOn(methods, method).mockImplementation(function (this: unknown, ...args: unknown[]) {
    return injected.call(this, (...given: unknown[]) => original?.apply(this, given), ...args);
  });
}
