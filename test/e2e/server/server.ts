/**
 * A real server in processes of its own: the built Worker in workerd, under Miniflare, with its storage on disk.
 *
 * ```ts
 * const server = new Server({ worker: inject("worker"), data });
 * await server.start();
 * await server.kill9();
 * await server.start(); // the same data, the same URL
 * await server.stop();
 * ```
 *
 * Tests take one from `fixtures.ts`, which also ends it and shows its log when a test fails.
 */
import type { ChildProcess } from "node:child_process";
import { on, once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { LOCATION, SCRIPT } from "../../../scripts/server/options.ts";
import type { ServeOptions } from "../../../scripts/server/options.ts";
import { forkServer, killGroup, whenExited, whenListening } from "../../../scripts/server/process.ts";

import { freePort } from "./free-port.ts";
import { Inspector } from "./inspector.ts";

const HOST = "127.0.0.1";
const STOP_MS = 10_000;
/** What a caller waits for: the runtime evicts an object as soon as no request to it is open, which under load may not be soon, or ever. */
const EVICT_MS = 1_000;
/** Enough to see what a server said last. */
const LOG_CHARACTERS = 100_000;

/** The key of a server that is started without saying which. */
export const API_KEY = "e2e-key";

export type ServerOptions = {
  /** The folder of the built Worker. */
  worker: string;
  /** The folder that holds all the server stores; empty or of an earlier run. */
  data: string;
  /** {@link API_KEY} unless given; empty for a server without one. */
  apiKey?: string;
  /** Vars in place of those of wrangler.toml. */
  vars?: Record<string, string>;
  /** Whether it has an {@link Server.inspector}. */
  isInspected?: boolean;
};

/** A Durable Object to evict: its memory is lost, its storage stays, its sockets are closed or kept. */
export type Eviction = {
  className: "Directory" | "Gateway" | "Stream";
  name: string;
  webSockets: "close" | "hibernate";
};

/** What the child process is asked while it runs; it says {@link EvictionMessage} when that is done. */
export type EvictionRequest = Eviction & { eviction: number };

/** The eviction of that number is over; `isEvicted` is false when there was nothing to evict, or it was never idle. */
export type EvictionMessage = { eviction: number } & ({ isEvicted: boolean } | { error: string });

/** `GATEWAY_SHARDS` of wrangler.toml. */
export const GATEWAY_SHARDS = 4;

/** One server that can be ended and started again on the same data. It does not outlive the process that made it. */
export class Server {
  readonly #options: ServerOptions;
  #process: ChildProcess | undefined;
  #url: URL | undefined;
  #inspectorPort: number | undefined;
  #log = "";
  #evictions = 0;
  /** Evictions of which nobody was told the outcome, by their object. */
  readonly #evicting = new Map<string, { readonly child: ChildProcess; readonly done: Promise<boolean> }>();

  constructor(options: ServerOptions) {
    this.#options = options;
  }

  /** `http://127.0.0.1:<port>`; a free port, kept through restarts. */
  get url(): string {
    if (this.#url === undefined) {
      throw new Error("the server was never started");
    }
    return this.#url.origin;
  }

  get apiKey(): string {
    return this.#options.apiKey ?? API_KEY;
  }

  /** The last of what the server's processes wrote, over all its lives. */
  get log(): string {
    return this.#log;
  }

  get isRunning(): boolean {
    return this.#process !== undefined;
  }

  /** The process group that holds the server and its workerd. */
  get processGroup(): number {
    if (this.#process?.pid === undefined) {
      throw new Error("the server does not run");
    }
    return this.#process.pid;
  }

  /** Starts the server and waits until it is healthy. */
  async start(): Promise<void> {
    if (this.#process !== undefined) {
      throw new Error("the server runs already");
    }
    const { worker, data, vars, isInspected = false } = this.#options;
    this.#inspectorPort = isInspected ? await freePort() : undefined;
    const options: ServeOptions = {
      worker,
      data,
      host: HOST,
      // The same after a crash, which no outgoing connection may have taken meanwhile.
      port: Number(this.#url?.port ?? (await freePort())),
      vars: { ...vars, API_KEY: this.apiKey },
      ...(this.#inspectorPort === undefined ? {} : { inspectorPort: this.#inspectorPort }),
    };
    const child = forkServer(join(import.meta.dirname, "server-process.ts"), options, "pipe");
    this.#process = child;
    child.stdout?.on("data", (text: Buffer) => this.#keepLog(text));
    child.stderr?.on("data", (text: Buffer) => this.#keepLog(text));
    try {
      this.#url = new URL(`http://${HOST}:${await whenListening(child)}`);
      const health = await fetch(new URL("/health", this.#url));
      if (health.status !== 200) {
        throw new Error(`/health answered ${health.status}`);
      }
    } catch (error) {
      await this.kill9();
      throw new Error(`the server did not start; it wrote:\n${this.#log}`, { cause: error });
    }
  }

  /**
   * Evicts a gateway between two requests.
   *
   * @param shard From 0 on, below {@link GATEWAY_SHARDS}.
   * @returns Whether it was; false when there was none in memory, and when it was busy for {@link EVICT_MS}: then it may
   * still be, later.
   */
  evictGateway(shard: number, webSockets: Eviction["webSockets"]): Promise<boolean> {
    return this.#evict({ className: "Gateway", name: `${LOCATION}-${shard}`, webSockets });
  }

  /** Evicts a stream between two requests; tells whether it was, as {@link evictGateway} does. */
  evictStream(name: string): Promise<boolean> {
    return this.#evict({ className: "Stream", name, webSockets: "hibernate" });
  }

  /** Evicts the Directory between two requests; tells whether it was, as {@link evictGateway} does. */
  evictDirectory(): Promise<boolean> {
    return this.#evict({ className: "Directory", name: "streams", webSockets: "hibernate" });
  }

  /** The inspector of its Worker; the caller closes it. */
  inspector(): Promise<Inspector> {
    if (this.#inspectorPort === undefined) {
      throw new Error("the server is not inspected");
    }
    return Inspector.connect(this.#inspectorPort, { script: SCRIPT, url: this.url });
  }

  /** Ends the server like a crash: SIGKILL to all its processes at once. Done when its port is closed. */
  async kill9(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child?.pid === undefined) {
      return;
    }
    const exited = whenExited(child);
    killGroup(child.pid);
    await exited;
    await this.#whenPortIsClosed();
  }

  /** Ends the server like a shutdown: storage is closed in order. */
  async stop(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child?.pid === undefined) {
      return;
    }
    const exited = whenExited(child);
    child.kill("SIGTERM");
    const late = AbortSignal.timeout(STOP_MS);
    await Promise.race([exited, once(late, "abort")]);
    // Whatever is left of the group, and all of it when it did not end in time.
    killGroup(child.pid);
    await exited;
    await this.#whenPortIsClosed();
  }

  /** Ends the server for good, whatever state it is in. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill9();
  }

  async #evict(eviction: Eviction): Promise<boolean> {
    const child = this.#process;
    if (child === undefined) {
      throw new Error("the server does not run");
    }
    const key = `${eviction.className} ${eviction.name}`;
    const pending = this.#evicting.get(key);
    const done = pending?.child === child ? pending.done : this.#beginEviction(child, eviction);
    this.#evicting.set(key, { child, done });
    const late = AbortSignal.timeout(EVICT_MS);
    const isEvicted = await Promise.race([done, once(late, "abort")]);
    if (typeof isEvicted !== "boolean") {
      // It goes on: the next call waits for it, and tells what came of it.
      return false;
    }
    this.#evicting.delete(key);
    return isEvicted;
  }

  #beginEviction(child: ChildProcess, eviction: Eviction): Promise<boolean> {
    this.#evictions += 1;
    const request: EvictionRequest = { ...eviction, eviction: this.#evictions };
    const done = whenEvicted(child, request.eviction);
    // Told to whoever waits for it, and not again.
    done.catch(() => this.#evicting.delete(`${eviction.className} ${eviction.name}`));
    child.send(request);
    return done;
  }

  #keepLog(text: Buffer): void {
    this.#log = (this.#log + text.toString()).slice(-LOG_CHARACTERS);
  }

  /** workerd is not a child of this process, so its end is seen only by what it no longer holds. */
  async #whenPortIsClosed(): Promise<void> {
    const deadline = Date.now() + STOP_MS;
    while (this.#url !== undefined && (await acceptsConnections(this.#url))) {
      if (Date.now() > deadline) {
        throw new Error(`${this.#url.origin} still accepts connections after the server was ended`);
      }
      await delay(5);
    }
  }
}

/** What the child process said of an eviction. */
async function whenEvicted(child: ChildProcess, eviction: number): Promise<boolean> {
  for await (const [message] of on(child, "message", { close: ["exit"] })) {
    const { eviction: done, ...outcome }: EvictionMessage = message;
    if (done === eviction && "error" in outcome) {
      throw new Error(outcome.error);
    }
    if (done === eviction) {
      return "isEvicted" in outcome && outcome.isEvicted;
    }
  }
  throw new Error("the server process ended during an eviction");
}

function acceptsConnections(url: URL): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: url.hostname, port: Number(url.port) });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
