import { SERVER } from "../platform/version.ts";

import { PAGE_HEADERS } from "./console-headers.ts";

/**
 * What this server is, for a program that asks at `/`: where calls, sockets and objects go to. It says nothing that needs
 * credentials.
 */
const DESCRIPTION = {
  ...SERVER,
  rpc: "/rpc",
  stream: "/stream/<name>",
  objects: "/r2/<key>",
  health: "/health",
  docs: "the method rpc.discover describes all others; a browser that opens this address is shown the console",
};

/** Answers `GET /`: the console to a browser, and to all others what this is. */
export async function answerRoot(request: Request, env: Env): Promise<Response> {
  const page = wantsPage(request) ? await consolePage(request, env) : undefined;
  return page ?? Response.json(DESCRIPTION, { headers: { Vary: "Accept", "Cache-Control": "no-cache" } });
}

/**
 * Answers `GET /assets/…`. On Cloudflare, and under `wrangler dev`, such a request does not come here: wrangler.toml
 * excepts the path from `run_worker_first`, and what is there is served without the Worker
 * (developers.cloudflare.com/workers/static-assets/routing/worker-script/). scripts/server has no such router, which every
 * call would pass through.
 */
export function answerAsset(request: Request, env: Env): Promise<Response> {
  return env.ASSETS.fetch(request);
}

function wantsPage({ headers }: Request): boolean {
  return /(?:^|[,\s])text\/html(?:$|[;,\s])/i.test(headers.get("Accept") ?? "");
}

/** The page with its headers; undefined when the console was not built. */
async function consolePage(request: Request, env: Env): Promise<Response | undefined> {
  const asked = new Headers();
  const known = request.headers.get("If-None-Match");
  if (known !== null) {
    asked.set("If-None-Match", known);
  }
  const url = new URL("/index.html", request.url);
  const page = await env.ASSETS.fetch(new Request(url, { method: request.method, headers: asked }));
  if (page.status !== 200 && page.status !== 304) {
    await page.body?.cancel();
    return undefined;
  }
  const headers = new Headers(page.headers);
  for (const [name, value] of Object.entries(PAGE_HEADERS)) {
    headers.set(name, value);
  }
  headers.append("Vary", "Accept");
  return new Response(page.body, { status: page.status, headers });
}
