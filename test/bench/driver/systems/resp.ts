import { Reassembly, Tcp } from "../tcp.ts";
import type { Address } from "../tcp.ts";

const LF = 10;
/** Bulk strings of one entry: its id, the name of its one field, and the value. Those of the last entry are remembered. */
export const ENTRY_BULKS = 3;

/** One reply of Redis: nothing of it is made but what a measure has to know. */
export type Reply = {
  /** Bulk strings in it. */
  readonly bulks: number;
  /** The bulk string so many before the last. */
  bulk(fromEnd: number): string;
  /** Text of an error reply. */
  readonly error?: string;
};

/** A command as Redis takes it (RESP, "sending commands"). */
export function command(...words: readonly (string | number)[]): Buffer {
  const parts = words.map((word) => `$${Buffer.byteLength(String(word))}\r\n${word}\r\n`);
  return Buffer.from(`*${words.length}\r\n${parts.join("")}`);
}

/** A connection to Redis that skips through replies. */
export class RespSocket {
  readonly #tcp: Tcp;
  readonly #reassembly = new Reassembly();
  /** Values that the reply being read still has to have. */
  #values = 1;
  #bulks = 0;
  /** The last bulk strings, in a ring. */
  readonly #last: (Buffer | undefined)[] = Array.from({ length: ENTRY_BULKS }, () => undefined);
  #error: string | undefined;
  onReply: (reply: Reply) => void = () => undefined;
  /** Given the id of each entry of a reply to a read of one stream, if it is set. */
  onId: ((id: string) => void) | undefined;
  onLost: (error: Error) => void = () => undefined;

  private constructor(tcp: Tcp) {
    this.#tcp = tcp;
    tcp.onData = (chunk) => this.#take(chunk);
    tcp.onLost = (error) => this.onLost(error);
  }

  static async connect(address: Address): Promise<RespSocket> {
    return new RespSocket(await Tcp.connect(address));
  }

  send(bytes: Buffer): void {
    this.#tcp.send(bytes);
  }

  /** Makes one call while nothing else is under way, and returns the first bulk string from the end. */
  async call(...words: readonly (string | number)[]): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const { onReply } = this;
    this.onLost = reject;
    this.onReply = (reply) => {
      this.onReply = onReply;
      if (reply.error === undefined) {
        resolve(reply.bulks >= ENTRY_BULKS ? reply.bulk(ENTRY_BULKS - 1) : "");
      } else {
        reject(new Error(reply.error));
      }
    };
    this.send(command(...words));
    return promise;
  }

  close(): void {
    this.#tcp.close();
  }

  #take(chunk: Buffer): void {
    const bytes = this.#reassembly.join(chunk);
    let at = 0;
    for (;;) {
      const next = this.#value(bytes, at);
      if (next === undefined) {
        break;
      }
      at = next;
      if (this.#values === 0) {
        this.#replied();
      }
    }
    this.#reassembly.keep(bytes, at);
  }

  /** Reads one value and returns where the next one begins; undefined when it is not there yet. */
  #value(bytes: Buffer, at: number): number | undefined {
    const lineEnd = bytes.indexOf(LF, at);
    if (lineEnd === -1) {
      return undefined;
    }
    const type = bytes[at];
    if (type === 0x24 /* $ */) {
      const length = numberAt(bytes, at + 1);
      const end = length < 0 ? lineEnd + 1 : lineEnd + 1 + length + 2;
      if (end > bytes.length) {
        return undefined;
      }
      this.#last[this.#bulks % ENTRY_BULKS] = bytes.subarray(lineEnd + 1, Math.max(lineEnd + 1, end - 2));
      // The name of the stream is the first bulk string, then come the entries.
      if (this.onId !== undefined && this.#bulks % ENTRY_BULKS === 1) {
        this.onId(bytes.subarray(lineEnd + 1, end - 2).toString());
      }
      this.#bulks += 1;
      this.#values -= 1;
      return end;
    }
    if (type === 0x2a /* * */) {
      this.#values += Math.max(0, numberAt(bytes, at + 1));
    } else if (type === 0x2d /* - */) {
      this.#error = bytes.subarray(at + 1, lineEnd - 1).toString();
    }
    this.#values -= 1;
    return lineEnd + 1;
  }

  #replied(): void {
    const bulks = this.#bulks;
    const reply = {
      bulks,
      bulk: (fromEnd: number) => (this.#last[(bulks - 1 - fromEnd) % ENTRY_BULKS] ?? "").toString(),
      ...(this.#error === undefined ? {} : { error: this.#error }),
    };
    this.#values = 1;
    this.#bulks = 0;
    this.#error = undefined;
    this.onReply(reply);
  }
}

function numberAt(bytes: Buffer, from: number): number {
  let at = from;
  const isNegative = bytes[at] === 0x2d;
  at += isNegative ? 1 : 0;
  let number = 0;
  for (let digit = bytes[at] ?? 0; digit >= 48 && digit <= 57; digit = bytes[(at += 1)] ?? 0) {
    number = number * 10 + digit - 48;
  }
  return isNegative ? -number : number;
}
