import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import type { ReadStream, WriteStream } from "node:tty";

import { WebSocket } from "ws";

import { DurableStream } from "../client.ts";
import type { ConnectionChange, DurableStreamOptions } from "../client.ts";
import { interrupted, offline, outputFailed, usage } from "./failure.ts";
import { Output } from "./output.ts";
import type { Form } from "./output.ts";
import { findServer } from "./server.ts";
import type { ServerFlags } from "./server.ts";
import { escaped } from "./text.ts";

/** The flags that every command takes. */
export type GlobalFlags = ServerFlags & {
  readonly json?: true;
  readonly human?: true;
  readonly verbose?: true;
};

/** What a command line runs in; `process` is one. */
export type Surroundings = {
  readonly stdin: ReadStream;
  readonly stdout: WriteStream;
  readonly stderr: WriteStream;
  readonly env: NodeJS.ProcessEnv;
};

/** What the commands share: where they write, the server they speak to, and what ends them early. */
export class Cli {
  readonly stdin: ReadStream;
  readonly env: NodeJS.ProcessEnv;
  /** Rejects with what ends any command: no connection, a signal, an output that nobody reads. */
  readonly ended: Promise<never>;
  readonly #surroundings: Surroundings;
  readonly #stop = new AbortController();
  #end: (reason: Error) => void = () => undefined;
  #endsInOrder = false;
  #flags: GlobalFlags = {};
  #output: Output;
  #client: DurableStream | undefined;
  #wasOnline = false;

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings;
    this.stdin = surroundings.stdin;
    this.env = surroundings.env;
    this.#output = new Output(formOf({}, surroundings), surroundings);
    this.ended = new Promise((_resolve, reject) => {
      this.#end = reject;
    });
    this.ended.catch(() => {
      // Safe: who runs the command races it with this.
    });
    surroundings.stdout.on("error", (error) => this.#end(outputFailed(error)));
    surroundings.stderr.on("error", () => {
      // Safe: what is said there is said to nobody, and changes nothing.
    });
  }

  get output(): Output {
    return this.#output;
  }

  /** The flags that were given. */
  get flags(): GlobalFlags {
    return this.#flags;
  }

  set flags(flags: GlobalFlags) {
    if (flags.json === true && flags.human === true) {
      throw usage("--json and --human exclude each other");
    }
    this.#flags = flags;
    this.#output = new Output(formOf(flags, this.#surroundings), this.#surroundings);
  }

  get isOnline(): boolean {
    return this.#client?.state === "open";
  }

  /** Whether somebody can be asked. */
  get isInteractive(): boolean {
    return this.stdin.isTTY && this.#surroundings.stderr.isTTY;
  }

  /** A client of the server that the flags, the environment or a context name. */
  async connect(options: Omit<DurableStreamOptions, "url" | "token"> = {}): Promise<DurableStream> {
    const server = await findServer(this.#flags, this.env);
    // That of `ws`, which every Node.js takes: version 20 has none of its own.
    this.#client = new DurableStream({
      WebSocket,
      onState: (change) => this.#changed(change),
      ...options,
      ...server,
    });
    return this.#client;
  }

  /** The signal that ends a command in order: it stops taking what is new, and finishes what it has. */
  inOrder(): AbortSignal {
    this.#endsInOrder = true;
    return this.#stop.signal;
  }

  /** A signal has come. */
  interrupt(signal: string): void {
    this.#stop.abort(interrupted(signal));
    if (this.#endsInOrder) {
      this.#output.progress("");
    } else {
      this.#end(interrupted(signal));
    }
  }

  /** @throws Failure When a signal has come: what was begun is finished now. */
  throwIfInterrupted(): void {
    this.#stop.signal.throwIfAborted();
  }

  /** Closes the client in order. */
  async close(options?: { timeoutMs: number }): Promise<void> {
    await this.#client?.close(options);
  }

  /** Asks before something is deleted. @throws Failure When the answer is not yes, or there is nobody to ask. */
  async confirm(question: string, isSure: boolean | undefined): Promise<void> {
    if (isSure === true) {
      return;
    }
    if (!this.isInteractive) {
      throw usage(`${question} Give --yes: there is no terminal to ask on`);
    }
    if (!/^y(es)?$/i.test((await this.#ask(`${escaped(question)} [y/N] `, this.#surroundings.stderr)).trim())) {
      throw usage("not done");
    }
  }

  /** Asks for a key, which is not shown. */
  async askSecret(question: string): Promise<string> {
    const { stderr } = this.#surroundings;
    const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
    const answer = this.#ask("", silent);
    // Only now: from here on the terminal shows nothing of what is typed.
    stderr.write(question);
    const secret = (await answer).trim();
    stderr.write("\n");
    return secret;
  }

  async #ask(question: string, output: NodeJS.WritableStream): Promise<string> {
    const asking = createInterface({ input: this.stdin, output, terminal: true });
    asking.on("SIGINT", () => this.#end(interrupted("SIGINT")));
    try {
      return await asking.question(question);
    } finally {
      asking.close();
    }
  }

  #changed({ state, reason = "", retryInMs = 0 }: ConnectionChange): void {
    if (state === "open" && this.#wasOnline) {
      this.#output.note("connected again");
    } else if (state === "waiting" && this.#wasOnline) {
      this.#output.note(`the connection is lost (${reason}), next attempt in ${(retryInMs / 1_000).toFixed(1)} s`);
    } else if (state === "waiting") {
      this.#end(offline(reason));
    }
    this.#wasOnline ||= state === "open";
  }
}

function formOf(flags: GlobalFlags, { stdout, env }: Surroundings): Form {
  const isForced = env["FORCE_COLOR"] !== undefined && env["FORCE_COLOR"] !== "0";
  const isPlain = Boolean(env["NO_COLOR"]) || env["FORCE_COLOR"] === "0" || (env["TERM"] === "dumb" && !isForced);
  return {
    isHuman: flags.human === true || (flags.json !== true && stdout.isTTY),
    isColored: !isPlain && (stdout.isTTY || isForced),
    isVerbose: flags.verbose === true,
  };
}
