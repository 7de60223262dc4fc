import { Reassembly, Tcp } from "../tcp.ts";
import type { Address } from "../tcp.ts";

const CRLF = "\r\n";
const SPACE = 32;

/** A message that came, valid during the call only. */
export type NatsMessage = { payload(): string; subject(): string; reply(): string };

/** A connection that speaks the protocol of NATS clients and skips through what comes. */
export class NatsSocket {
  readonly #tcp: Tcp;
  readonly #reassembly = new Reassembly();
  #subscriptions = 0;
  /** Waits for the answer to a request. */
  #onAnswer: ((payload: string) => void) | undefined;
  /** Where its answers come. */
  readonly inbox = `_INBOX.${Math.random().toString(36).slice(2)}`;
  /** Called with each message. */
  onMessage: (message: NatsMessage) => void = () => undefined;
  /** Called at the end of each chunk with how many messages it held, and the last of them. */
  onMessages: ((count: number, last: NatsMessage) => void) | undefined;
  onLost: (error: Error) => void = () => undefined;

  private constructor(tcp: Tcp) {
    this.#tcp = tcp;
    tcp.onData = (chunk) => this.#take(chunk);
    tcp.onLost = (error) => this.onLost(error);
  }

  static async connect(address: Address): Promise<NatsSocket> {
    const socket = new NatsSocket(await Tcp.connect(address));
    socket.write(`CONNECT {"verbose":false,"pedantic":false,"headers":true}${CRLF}`);
    socket.subscribe(socket.inbox);
    return socket;
  }

  write(text: string): void {
    this.#tcp.send(Buffer.from(text));
  }

  send(bytes: Buffer): void {
    this.#tcp.send(bytes);
  }

  /** @param group Shares the messages with the others of the group. */
  subscribe(subject: string, group = ""): void {
    this.#subscriptions += 1;
    this.write(`SUB ${subject} ${group} ${this.#subscriptions}${CRLF}`);
  }

  /** Asks for something while nothing else is under way, and returns the answer. */
  async request<T extends object>(subject: string, payload: object): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.onLost = reject;
    this.#onAnswer = (text) => {
      this.#onAnswer = undefined;
      const answer: T & { error?: { description: string } } = JSON.parse(text);
      if (answer.error === undefined) {
        resolve(answer);
      } else {
        reject(new Error(`${subject}: ${answer.error.description}`));
      }
    };
    this.send(publication(subject, this.inbox, JSON.stringify(payload)));
    return promise;
  }

  close(): void {
    this.#tcp.close();
  }

  #take(chunk: Buffer): void {
    const bytes = this.#reassembly.join(chunk);
    let at = 0;
    let count = 0;
    let last: NatsMessage | undefined;
    for (;;) {
      const lineEnd = bytes.indexOf(CRLF, at);
      if (lineEnd === -1) {
        break;
      }
      const type = bytes[at];
      if (type === 0x4d /* MSG */) {
        const end = lineEnd + 2 + lengthBefore(bytes, lineEnd) + 2;
        if (end > bytes.length) {
          break;
        }
        const message = messageAt(bytes, at, { lineEnd, end });
        at = end;
        if (this.#onAnswer !== undefined && message.subject() === this.inbox) {
          this.#onAnswer(message.payload());
          continue;
        }
        last = message;
        count += 1;
        this.onMessage(message);
        continue;
      }
      if (type === 0x50 && bytes[at + 1] === 0x49 /* PING */) {
        this.write(`PONG${CRLF}`);
      } else if (type === 0x2d /* -ERR */) {
        this.onLost(new Error(bytes.subarray(at, lineEnd).toString()));
      }
      at = lineEnd + 2;
    }
    this.#reassembly.keep(bytes, at);
    if (last !== undefined) {
      this.onMessages?.(count, last);
    }
  }
}

/** A message to publish, with where its answer goes. */
export function publication(subject: string, reply: string, payload: string): Buffer {
  return Buffer.from(`PUB ${subject} ${reply} ${Buffer.byteLength(payload)}${CRLF}${payload}${CRLF}`);
}

function messageAt(bytes: Buffer, at: number, { lineEnd, end }: { lineEnd: number; end: number }): NatsMessage {
  return {
    payload: () => bytes.subarray(lineEnd + 2, end - 2).toString(),
    // MSG <subject> <number> <reply> <bytes>
    subject: () => bytes.subarray(at, lineEnd).toString().split(" ")[1] ?? "",
    reply: () => bytes.subarray(at, lineEnd).toString().split(" ")[3] ?? "",
  };
}

/** The number at the end of a line. */
function lengthBefore(bytes: Buffer, lineEnd: number): number {
  let length = 0;
  let place = 1;
  for (let at = lineEnd - 1; bytes[at] !== SPACE; at -= 1) {
    length += ((bytes[at] ?? 48) - 48) * place;
    place *= 10;
  }
  return length;
}
