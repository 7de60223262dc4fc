import { DurableStreamError } from "../../../../rpc/client.ts";
import type { DurableStream } from "../../../../rpc/client.ts";
import type { ObjectInfo } from "../../../../rpc/index.ts";

import { fileNameOf } from "./keys.ts";

/** The browser asks at once; the URL stands in its list of downloads, where it shall be of no use to others. */
const EXPIRES_IN_MS = 60_000;

/** What is read by the client, and so held by the page, where the server can sign no URL. */
const MOST_READ_BYTES = 100_000_000;

/**
 * Has the browser download an object by a signed URL: what comes goes to the disk, so an object of any size is never held in
 * memory, and the browser shows how far it is. A read by the client would have to be whole before it can be saved; it is
 * only made where the server has no key to sign with, as one that knows tokens alone.
 *
 * @throws DurableStreamError NotFound when there is no such object: the URL would not tell.
 */
export async function download(client: DurableStream, key: string): Promise<void> {
  const info = await client.headObject({ key });
  try {
    const { url } = await client.objects.createUrl(key, { expiresInMs: EXPIRES_IN_MS });
    save(url, key);
  } catch (error) {
    if (!(error instanceof DurableStreamError && error.name === "Unavailable" && info.size <= MOST_READ_BYTES)) {
      throw error;
    }
    const url = URL.createObjectURL(await read(client, info));
    save(url, key);
    // What it names is freed when the browser has taken it, which it does not tell.
    setTimeout(() => URL.revokeObjectURL(url), EXPIRES_IN_MS);
  }
}

async function read(client: DurableStream, { key }: ObjectInfo): Promise<Blob> {
  const { body } = await client.objects.get(key);
  return new Blob([await new Response(body).arrayBuffer()]);
}

function save(url: string, key: string): void {
  const link = document.createElement("a");
  link.href = url;
  link.download = fileNameOf(key);
  link.click();
}
