import { randomBytes } from "node:crypto";

import { Reassembly, Tcp } from "./tcp.ts";

const TEXT = 0x81;
const CLOSE = 0x8;
const MASKED = 0x80;

/**
 * A text frame of a client (RFC 6455 section 5.2), to be sent any number of times. The masking key is zero, which leaves
 * the bytes as they are: masking would be the driver's work and not the server's.
 */
export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const head = 2 + extended + 4;
  const frame = Buffer.alloc(head + length);
  frame[0] = TEXT;
  frame[1] = MASKED | (extended === 0 ? length : extended === 2 ? 126 : 127);
  if (extended === 2) {
    frame.writeUInt16BE(length, 2);
  } else if (extended === 8) {
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  frame.write(text, head);
  return frame;
}

/** A WebSocket that sends prepared frames and hands out the bytes of those that come. */
export class RawWebSocket {
  readonly #tcp: Tcp;
  readonly #reassembly = new Reassembly();
  /** Given the payload of each frame; it is valid during the call only. */
  onFrame: (payload: Buffer) => void = () => undefined;
  onLost: (error: Error) => void = () => undefined;

  private constructor(tcp: Tcp) {
    this.#tcp = tcp;
  }

  /** Opens a socket, or rejects when the handshake is refused. */
  static async connect(url: URL, headers: Record<string, string> = {}): Promise<RawWebSocket> {
    const tcp = await Tcp.connect({ host: url.hostname, port: Number(url.port) });
    const lines = [
      `GET ${url.pathname}${url.search} HTTP/1.1`,
      `Host: ${url.host}`,
      "Upgrade: websocket",
      "Connection: Upgrade",
      "Sec-WebSocket-Version: 13",
      `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ];
    const socket = new RawWebSocket(tcp);
    await new Promise<void>((resolve, reject) => {
      let answer = Buffer.alloc(0);
      tcp.onLost = reject;
      tcp.onData = (chunk) => {
        answer = Buffer.concat([answer, chunk]);
        const end = answer.indexOf("\r\n\r\n");
        if (end === -1) {
          return;
        }
        if (!answer.subarray(0, end).toString().startsWith("HTTP/1.1 101")) {
          reject(new Error(answer.toString()));
          return;
        }
        tcp.onData = (more) => socket.#take(more);
        tcp.onLost = (error) => socket.onLost(error);
        resolve();
        // Frames may have come with the answer: they are taken when whoever waits for the socket has its listeners set.
        socket.#reassembly.keep(answer, end + 4);
        setImmediate(() => socket.#take(Buffer.alloc(0)));
      };
      tcp.send(Buffer.from(`${lines.join("\r\n")}\r\n\r\n`));
    });
    return socket;
  }

  /** Sends a frame that {@link textFrame} made. */
  send(frame: Buffer): void {
    this.#tcp.send(frame);
  }

  /** Ends the connection as an orderly client does: with a Close of code 1000. */
  close(): void {
    const close = Buffer.from([0x88, MASKED | 2, 0, 0, 0, 0, 0x03, 0xe8]);
    this.onFrame = () => undefined;
    this.onLost = () => undefined;
    this.#tcp.send(close);
    // After the tick in which the Close is written.
    setImmediate(() => this.#tcp.close());
  }

  #take(chunk: Buffer): void {
    const bytes = this.#reassembly.join(chunk);
    let at = 0;
    while (bytes.length - at >= 2) {
      const short = (bytes[at + 1] ?? 0) & 0x7f;
      const head = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (bytes.length - at < head) {
        break;
      }
      const length =
        short < 126 ? short : short === 126 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2));
      if (bytes.length - at < head + length) {
        break;
      }
      const payload = bytes.subarray(at + head, at + head + length);
      if (((bytes[at] ?? 0) & 0xf) === CLOSE) {
        const code = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
        this.onLost(new Error(`closed with ${code}: ${payload.subarray(2).toString()}`));
      } else {
        this.onFrame(payload);
      }
      at += head + length;
    }
    this.#reassembly.keep(bytes, at);
  }
}
