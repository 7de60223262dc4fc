/** What the tests of objects by the client share. */
import { DurableStream } from "../../../rpc/client.ts";
import type { ReadObject } from "../../../rpc/client.ts";
import { LIMITS } from "../../../rpc/index.ts";

import type { Server } from "../server/server.ts";

/** A fixture: a client of the test's server, which goes by calls alone when it is given no `fetch`. */
export function clientOf(how: { fetch?: false } = {}) {
  return async ({ server }: { server: Server }, use: (client: DurableStream) => Promise<void>) => {
    await using client = new DurableStream({ url: server.url, token: server.apiKey, ...how });
    await use(client);
  };
}

/** All of an object that was got. */
export async function bytesOf({ body }: ReadObject): Promise<Uint8Array> {
  return new Uint8Array(await new Response(body as ConstructorParameters<typeof Response>[0]).arrayBuffer());
}

/** So many bytes, the same in every run. */
export function bytes(length: number): Uint8Array<ArrayBuffer> {
  const made = new Uint8Array(length);
  for (let index = 0; index < length; index += 1) {
    made[index] = index * 31 + (index >> 8);
  }
  return made;
}

/** More than two frames hold. */
export const LARGE = bytes(LIMITS.objectBodyBytes * 2 + 12_345);
