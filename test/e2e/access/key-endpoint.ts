/** An endpoint of keys, as an identity provider has it, that does what a test says. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { RequestListener, Server } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";

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
  "answer without an end": (request, response) => {
    const more = () => void response.write("p".repeat(65_536), () => request.socket.destroyed || more());
    more();
  },
  drip: (request, response) => {
    const timer = setInterval(() => void response.write(" "), 20);
    request.socket.once("close", () => clearInterval(timer));
  },
  "answer what inflates to 64 MiB": (_request, response) =>
    void response.writeHead(200, { "Content-Encoding": "gzip" }).end(gzipSync(Buffer.alloc(67_108_864, " "))),
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
