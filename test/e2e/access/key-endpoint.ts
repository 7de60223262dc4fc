/** An endpoint of keys, as an identity provider has it, that does what a test says. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { RequestListener, Server } from "node:http";
import type { AddressInfo } from "node:net";

/** Ways to answer. */
export const ANSWERS = {
  hang: () => undefined,
  "hang in the middle": (_request, response) => void response.write('{"keys":['),
  "answer 500": (_request, response) => void response.writeHead(500).end("{}"),
  "cut the connection": (request) => void request.socket.destroy(),
  "answer no JSON": (_request, response) => void response.end("<html>"),
  "answer no JWKS": (_request, response) => void response.end('{"keys":{}}'),
  "answer more than 64 KiB": (_request, response) =>
    void response.end(JSON.stringify({ keys: [], padding: "p".repeat(65_536) })),
} satisfies { [way: string]: RequestListener };

/** One of them, on a free port of this machine. */
export class KeyEndpoint {
  readonly #server: Server;
  /** Every path that was asked for. */
  readonly asked: string[] = [];
  answer: RequestListener;

  private constructor(answer: RequestListener) {
    this.answer = answer;
    this.#server = createServer((request, response) => {
      this.asked.push(request.url ?? "");
      this.answer(request, response);
    });
  }

  static async open(keys: string): Promise<KeyEndpoint> {
    const endpoint = new KeyEndpoint(answering(keys));
    endpoint.#server.listen(0, "127.0.0.1");
    await once(endpoint.#server, "listening");
    return endpoint;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/keys`;
  }

  /** Answers with other keys from now on. */
  have(keys: string): void {
    this.answer = answering(keys);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function answering(keys: string): RequestListener {
  return (_request, response) => void response.end(keys);
}
