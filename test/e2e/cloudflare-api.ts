/** Cloudflare's API as far as `wrangler deploy` asks it: an account that holds Workers, their secrets and buckets, and no more. */
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { once } from "node:events";

/** What an upload says of a Worker, beside its code. */
export type Metadata = {
  readonly bindings: readonly { readonly type: string; readonly name: string; readonly [field: string]: unknown }[];
  readonly code_update_strategy?: unknown;
  readonly migrations?: { readonly new_tag: string };
  /** The token that the end of an upload of assets gave. */
  readonly assets?: { readonly jwt: string; readonly config?: unknown };
  readonly observability?: unknown;
};

type Failure = { readonly status: number; readonly code: number; readonly message: string };

type Outcome = { readonly result: unknown } | { readonly failure: Failure };

const NO_WORKER: Failure = { status: 404, code: 10_090, message: "This service does not exist" };
const NO_SCRIPT: Failure = { status: 404, code: 10_007, message: "This Worker does not exist" };
const NO_BUCKET: Failure = { status: 404, code: 10_006, message: "The specified bucket does not exist" };

/** The token of an upload of assets that has all of them. */
const ASSETS_DONE = "token-of-all-assets";

export class CloudflareApi {
  readonly #server: Server;
  /** The names of secrets, by Worker. */
  readonly workers = new Map<string, Set<string>>();
  readonly buckets = new Set<string>();
  /** What was uploaded, by Worker. */
  readonly uploads: { readonly worker: string; readonly metadata: Metadata }[] = [];
  /** The assets of every Worker, by their hash, as they were uploaded. */
  readonly assets = new Map<string, string>();
  /** How running objects take the code of a version that is put in the place of another. */
  readonly strategies: unknown[] = [];
  #migrationTag: string | undefined;
  /** Hashes of assets that were said to be missing, and have not come. */
  #awaited = new Set<string>();
  readonly #settings = new Map<string, Metadata["bindings"]>();
  /** Every request, as `GET /accounts/…`. */
  readonly requests: string[] = [];

  constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start(): Promise<CloudflareApi> {
    const api = new CloudflareApi();
    api.#server.listen(0, "127.0.0.1");
    await once(api.#server, "listening");
    return api;
  }

  /** What has wrangler ask this in place of Cloudflare. */
  get environment(): Record<string, string> {
    const address = this.#server.address();
    return {
      CLOUDFLARE_API_BASE_URL: `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`,
      CLOUDFLARE_API_TOKEN: "token-of-a-test",
      CLOUDFLARE_ACCOUNT_ID: "account-of-a-test",
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? "", "http://api").pathname.replace(/^\/accounts\/[^/]+/, "");
    const ask = `${request.method} ${path}`;
    this.requests.push(ask);
    const parts: Buffer[] = [];
    for await (const part of request) {
      parts.push(part as Buffer);
    }
    const outcome = await this.#run(ask, Buffer.concat(parts), request.headers["content-type"] ?? "");
    const [status, body] =
      "failure" in outcome
        ? [outcome.failure.status, { success: false, errors: [outcome.failure], messages: [], result: null }]
        : [200, { success: true, errors: [], messages: [], result: outcome.result }];
    response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
  }

  async #run(ask: string, body: Buffer, type: string): Promise<Outcome> {
    if (ask === "POST /workers/assets/upload") {
      return this.#uploadAssets(await new Response(body, { headers: { "Content-Type": type } }).formData());
    }
    const [, verb = "", kind = "", name = "", rest = ""] =
      /^(\S+) \/(workers\/services|workers\/scripts|r2\/buckets)\/?([^/]*)(.*)$/.exec(ask) ?? [];
    if (kind === "r2/buckets") {
      return this.#bucket(verb, name, body);
    }
    if (kind === "workers/services") {
      const script = { tag: "t", tags: [], last_deployed_from: "wrangler", migration_tag: this.#migrationTag };
      return this.workers.has(name) ? { result: { default_environment: { script } } } : { failure: NO_WORKER };
    }
    if (`${verb} ${rest}` === "PUT " || `${verb} ${rest}` === "POST /versions") {
      return this.#upload(name, await new Response(body, { headers: { "Content-Type": type } }).formData());
    }
    if (`${verb} ${rest}` === "POST /assets-upload-session") {
      return this.#beginAssets(JSON.parse(body.toString()));
    }
    if (`${verb} ${rest}` === "POST /deployments") {
      this.strategies.push(JSON.parse(body.toString()).code_update_strategy);
    }
    return this.#look(kind, name, rest);
  }

  /** What wrangler only looks at. */
  #look(kind: string, name: string, rest: string): Outcome {
    if (kind === "workers/scripts" && name === "") {
      return { result: [...this.workers.keys()].map((id) => ({ id, migration_tag: this.#migrationTag })) };
    }
    const secrets = this.workers.get(name);
    if (kind === "workers/scripts" && secrets === undefined) {
      return { failure: NO_SCRIPT };
    }
    const results: Record<string, unknown> = {
      "/settings": { bindings: this.#settings.get(name) ?? [] },
      "/secrets": [...(secrets ?? [])].map((each) => ({ name: each, type: "secret_text" })),
      "/deployments": { deployments: [] },
      "/subdomain": { enabled: true, previews_enabled: false },
    };
    return { result: results[rest] ?? { subdomain: "of-a-test" } };
  }

  #bucket(verb: string, name: string, body: Buffer): Outcome {
    if (verb === "POST") {
      this.buckets.add(JSON.parse(body.toString()).name);
      return { result: {} };
    }
    if (name === "") {
      return { result: { buckets: [...this.buckets].map((each) => ({ name: each })) } };
    }
    return this.buckets.has(name) ? { result: { name } } : { failure: NO_BUCKET };
  }

  /**
   * Begins an upload of assets: says which are not there yet, in buckets, and gives a token for them; with none missing it is
   * the token of the end. developers.cloudflare.com/workers/static-assets/direct-upload/
   */
  #beginAssets({ manifest }: { manifest: Record<string, { hash: string }> }): Outcome {
    const missing = Object.values(manifest).flatMap(({ hash }) => (this.assets.has(hash) ? [] : [hash]));
    this.#awaited = new Set(missing);
    return { result: { jwt: missing.length === 0 ? ASSETS_DONE : "token-of-an-upload", buckets: [missing] } };
  }

  async #uploadAssets(form: FormData): Promise<Outcome> {
    for (const [hash, content] of form) {
      this.assets.set(hash, typeof content === "string" ? content : await content.text());
      this.#awaited.delete(hash);
    }
    return { result: this.#awaited.size === 0 ? { jwt: ASSETS_DONE } : {} };
  }

  /** Stores a Worker. A secret that it is to keep has to be there, as `bindings_inherit=strict` asks. */
  async #upload(worker: string, form: FormData): Promise<Outcome> {
    const text = form.get("metadata");
    const metadata: Metadata = JSON.parse(typeof text === "string" ? text : ((await text?.text()) ?? ""));
    const secrets = this.workers.get(worker) ?? new Set<string>();
    const missing = metadata.bindings.find(({ type, name }) => type === "inherit" && !secrets.has(name));
    if (missing !== undefined) {
      return { failure: { status: 400, code: 10_057, message: `inherit binding '${missing.name}' is invalid` } };
    }
    for (const { type, name } of metadata.bindings) {
      if (type === "secret_text") {
        secrets.add(name);
      }
    }
    this.workers.set(worker, secrets);
    this.#migrationTag = metadata.migrations?.new_tag ?? this.#migrationTag;
    this.#settings.set(worker, metadata.bindings);
    this.uploads.push({ worker, metadata });
    return {
      result: { id: worker, etag: "e", startup_time_ms: 1, deployment_id: "d", resources: { script: { etag: "e" } } },
    };
  }
}
