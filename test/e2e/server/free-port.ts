import { once } from "node:events";
import { createServer } from "node:net";

/**
 * Below the ports that operating systems give to outgoing connections and to who asks for any (RFC 6335 section 6; Linux
 * begins at 32,768): between the choice of a port and its use none of those takes it.
 */
const PORTS = { first: 12_000, count: 20_000 };

/** A port nobody listens on. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = PORTS.first + Math.floor(Math.random() * PORTS.count);
    if (await isFree(port)) {
      return port;
    }
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
  } catch {
    // Somebody listens there.
    return false;
  }
  server.close();
  await once(server, "close");
  return true;
}
