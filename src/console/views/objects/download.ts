import type { DurableStream } from "../../../../rpc/client.ts";

import { fileNameOf } from "./keys.ts";

/** The browser asks at once; the URL stands in its list of downloads, where it shall be of no use to others. */
const EXPIRES_IN_MS = 60_000;

/**
 * Has the browser download an object by a signed URL: what comes goes to the disk, so an object of any size is never held in
 * memory, and the browser shows how far it is. A read by the client would have to be whole before it can be saved.
 *
 * @throws DurableStreamError NotFound when there is no such object: the URL would not tell.
 */
export async function download(client: DurableStream, key: string): Promise<void> {
  await client.headObject({ key });
  const { url } = await client.objects.createUrl(key, { expiresInMs: EXPIRES_IN_MS });
  const link = document.createElement("a");
  link.href = url;
  link.download = fileNameOf(key);
  link.click();
}
