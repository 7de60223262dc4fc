import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";

import { PATIENCE_MS } from "../../harness/rpc-client.ts";

import type { Target } from "./client.ts";

/** Opcodes of RFC 6455 section 5.2. */
const TEXT = 0x1;
const CLOSE = 0x8;

/** One frame as it came. */
export type RawFrame = { opcode: number; payload: Buffer };

/** How {@link RawSocket} frames what it sends; RFC 6455 wants a client to mask. */
export type Framing = { isMasked?: boolean };

/**
 * A WebSocket client of RFC 6455's bytes over plain TCP: what it sends and when it closes is the test's choice, where a
 * library's client does only what is allowed.
 */
export class RawSocket {
  /** The response's head, as it came. */
  readonly head: string;
  readonly #socket: Socket;
  readonly #whenEnded: Promise<unknown>;
  readonly #frames: RawFrame[] = [];
  #rest: Buffer;
  #wake = Promise.withResolvers<void>();
  #isEnded = false;

  /** Sends a handshake and waits for its answer, whatever that is. */
  static async open(
    { url, apiKey }: Target,
    headers: Record<string, string> = { Authorization: `Bearer ${apiKey}` },
  ): Promise<RawSocket> {
    const { hostname, port, host } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port) });
    const lines = Object.entries({
      Host: host,
      Upgrade: "websocket",
      Connection: "Upgrade",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": randomBytes(16).toString("base64"),
      ...headers,
    }).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`GET /rpc HTTP/1.1\r\n${lines.join("")}\r\n`);
    let received = Buffer.alloc(0);
    while (!received.includes("\r\n\r\n")) {
      const [chunk]: Buffer[] = await once(socket, "data");
      received = Buffer.concat([received, chunk ?? Buffer.alloc(0)]);
    }
    const end = received.indexOf("\r\n\r\n") + 4;
    return new RawSocket(socket, received.subarray(0, end).toString("latin1"), received.subarray(end));
  }

  private constructor(socket: Socket, head: string, rest: Buffer) {
    this.#socket = socket;
    this.head = head;
    this.#rest = rest;
    this.#whenEnded = once(socket, "close");
    socket.on("data", (chunk: Buffer) => {
      this.#rest = Buffer.concat([this.#rest, chunk]);
      this.#take();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.#isEnded = true;
      this.#take();
    });
    this.#take();
  }

  /** Sends one frame. */
  send(opcode: number, payload: Uint8Array, { isMasked = true }: Framing = {}): void {
    const length =
      payload.length < 126 ? Buffer.from([payload.length]) : Buffer.from([126, payload.length >> 8, payload.length]);
    length[0] = (length[0] ?? 0) | (isMasked ? 0x80 : 0);
    const mask = isMasked ? randomBytes(4) : Buffer.alloc(0);
    const body = isMasked ? payload.map((byte, index) => byte ^ (mask[index % 4] ?? 0)) : payload;
    this.#socket.write(Buffer.concat([Buffer.from([0x80 | opcode]), length, mask, body]));
  }

  sendText(text: string | Uint8Array, framing?: Framing): void {
    this.send(TEXT, typeof text === "string" ? Buffer.from(text) : text, framing);
  }

  /** Sends a Close (RFC 6455 section 5.5.1); without a code an empty one. */
  sendClose(code?: number, reason = ""): void {
    const body = code === undefined ? [] : [code >> 8, code & 0xff, ...Buffer.from(reason)];
    this.send(CLOSE, Buffer.from(body));
  }

  /** The next frame; undefined when the connection ended first. */
  async next(): Promise<RawFrame | undefined> {
    for (;;) {
      const frame = this.#frames.shift();
      if (frame !== undefined || this.#isEnded) {
        return frame;
      }
      await inTime(this.#wake.promise, "a frame");
    }
  }

  /** The next text frame; undefined when the connection ended first. */
  async nextText(): Promise<string | undefined> {
    const frame = await this.next();
    return frame?.opcode === TEXT ? frame.payload.toString() : undefined;
  }

  /** The code of the Close that comes next: 1005 for one without (RFC 6455 section 7.1.5), 1006 when none came. */
  async closeCode(): Promise<number> {
    let frame = await this.next();
    while (frame !== undefined && frame.opcode !== CLOSE) {
      frame = await this.next();
    }
    if (frame === undefined) {
      return 1006;
    }
    return frame.payload.length < 2 ? 1005 : frame.payload.readUInt16BE(0);
  }

  /** Waits until the server has ended the TCP connection. */
  async whenEnded(): Promise<void> {
    await inTime(this.#whenEnded, "the end of the connection");
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  #take(): void {
    for (let frame = this.#shift(); frame !== undefined; frame = this.#shift()) {
      this.#frames.push(frame);
    }
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  /** Takes one whole frame off what came. A server does not mask (RFC 6455 section 5.1). */
  #shift(): RawFrame | undefined {
    const bytes = this.#rest;
    const short = bytes.length < 2 ? 0 : bytes.readUInt8(1) & 0x7f;
    const start = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (bytes.length < start) {
      return undefined;
    }
    const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
    if (bytes.length < start + length) {
      return undefined;
    }
    this.#rest = bytes.subarray(start + length);
    return { opcode: bytes.readUInt8(0) & 0x0f, payload: bytes.subarray(start, start + length) };
  }
}

async function inTime(event: Promise<unknown>, what: string): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`${what} did not come in time`)), PATIENCE_MS);
  try {
    await Promise.race([event, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
