import { objectTarget } from "../internal/routes.ts";
import { logError } from "../platform/log.ts";

/** What the pages of other origins may send to a path and read of its answers; all else a browser keeps from them. */
type Sharing = {
  readonly methods: string;
  readonly requestHeaders: readonly string[];
  readonly responseHeaders: readonly string[];
};

/** No browser keeps the answer to a preflight for longer. */
const PREFLIGHT_AGE_S = 7_200;

const REFUSAL_HEADERS = ["Retry-After", "WWW-Authenticate"];

const HEALTH: Sharing = { methods: "GET, HEAD", requestHeaders: [], responseHeaders: [] };
const CALLS: Sharing = {
  methods: "POST",
  requestHeaders: ["Authorization", "Content-Type"],
  responseHeaders: REFUSAL_HEADERS,
};
const LISTING: Sharing = { methods: "GET", requestHeaders: ["Authorization"], responseHeaders: REFUSAL_HEADERS };
/** The headers that src/objects/http reads and writes. */
const OBJECT: Sharing = {
  methods: "GET, HEAD, PUT, POST, DELETE",
  requestHeaders: [
    "Authorization",
    "Cache-Control",
    "Content-Digest",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "Content-Type",
    "Expires",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Range",
    "Repr-Digest",
  ],
  responseHeaders: [
    "Accept-Ranges",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Range",
    "ETag",
    "Repr-Digest",
    ...REFUSAL_HEADERS,
  ],
};

/**
 * The origin of a request, and what it permits (CORS: fetch.spec.whatwg.org, section HTTP-cors-protocol).
 *
 * The server's own origin is that of the request's URL, which is what the client asked for. So a name that somebody points at
 * this server makes a page of that name one of its own (DNS rebinding); it has no credential to send, which still protects.
 *
 * A request without an `Origin` is not a browser's, or is one that no page can read the answer to. The others are answered
 * when their origin is the server's own or is configured. Origins are compared as text, and `null` equals none. Credentials
 * are never allowed in CORS' sense, which is cookies: a page sends `Authorization` itself.
 */
export class RequestOrigin {
  readonly #request: Request;
  readonly #origin: string | null;
  readonly #configured: ReadonlySet<string>;
  readonly #sharing: Sharing | undefined;

  /** @param allowed `ALLOWED_ORIGINS`: exact origins, separated by spaces or commas. */
  constructor(request: Request, allowed: string | undefined) {
    this.#request = request;
    this.#origin = request.headers.get("Origin");
    this.#configured = configuredOrigins(allowed ?? "");
    this.#sharing = sharingOf(request.url);
  }

  /** Whether the request is of a page that may not use this server: nothing is to be done for it. */
  get isForbidden(): boolean {
    const { url } = this.#request;
    return this.#origin !== null && !this.#configured.has(this.#origin) && this.#origin !== new URL(url).origin;
  }

  /** The answer to a preflight, which a browser sends without credentials; undefined for any other request. */
  preflight(): Response | undefined {
    const { method, headers } = this.#request;
    const isPreflight = method === "OPTIONS" && headers.has("Access-Control-Request-Method");
    if (!isPreflight || this.#origin === null || this.#sharing === undefined) {
      return undefined;
    }
    const { methods, requestHeaders } = this.#sharing;
    const answer = new Headers({
      "Access-Control-Allow-Methods": methods,
      "Access-Control-Max-Age": String(PREFLIGHT_AGE_S),
    });
    const metadata = this.#sharing === OBJECT ? askedMetadata(headers) : [];
    if (requestHeaders.length > 0) {
      answer.set("Access-Control-Allow-Headers", [...requestHeaders, ...metadata].join(", "));
    }
    return new Response(null, { status: 204, headers: answer });
  }

  /** Adds to an answer of this server what lets the page read it, and what keeps a cache from giving it to another. */
  share(response: Response): Response {
    // A WebSocket is not subject to CORS, and the headers of its handshake can not be changed.
    if (this.#sharing === undefined || response.status === 101) {
      return response;
    }
    const { headers } = response;
    if (this.#origin !== null || this.#configured.size > 0) {
      headers.append("Vary", "Origin");
    }
    if (this.#origin !== null && !this.isForbidden) {
      headers.set("Access-Control-Allow-Origin", this.#origin);
      const exposed = [...this.#sharing.responseHeaders, ...[...headers.keys()].filter(isMetadata)];
      if (exposed.length > 0 && this.#request.method !== "OPTIONS") {
        headers.set("Access-Control-Expose-Headers", exposed.join(", "));
      }
    }
    return response;
  }
}

/** What may be shared of the path of a URL; undefined for one that pages of other origins can not use by `fetch`. */
function sharingOf(url: string): Sharing | undefined {
  const target = objectTarget(url);
  if (target !== undefined) {
    return target.path === "" ? LISTING : OBJECT;
  }
  const { pathname } = new URL(url);
  if (pathname === "/health") {
    return HEALTH;
  }
  return pathname === "/rpc" ? CALLS : undefined;
}

/** The headers of custom metadata that a preflight asks for: who puts an object chooses their names. */
function askedMetadata(headers: Headers): string[] {
  const asked = headers.get("Access-Control-Request-Headers") ?? "";
  return asked
    .split(",")
    .map((name) => name.trim())
    .filter(isMetadata);
}

function isMetadata(header: string): boolean {
  return /^x-object-meta-[\w-]{1,64}$/i.test(header);
}

/** The last list that was read: it is the same for every request of an isolate. */
let lastRead: { readonly text: string; readonly origins: ReadonlySet<string> } = { text: "", origins: new Set() };

/** The configured origins; none when one of them is no origin, so that a mistake lets in nobody. */
function configuredOrigins(text: string): ReadonlySet<string> {
  if (text !== lastRead.text) {
    const entries = text.split(/[\s,]+/).filter((entry) => entry !== "");
    const wrong = entries.find((entry) => !isOrigin(entry));
    if (wrong !== undefined) {
      const reason = `"${wrong}" is no origin, which is a scheme, a host and maybe a port, like https://app.example.com`;
      logError("ALLOWED_ORIGINS is wrong: no other origin is allowed", reason);
    }
    lastRead = { text, origins: new Set(wrong === undefined ? entries : []) };
  }
  return lastRead.origins;
}

/** Whether a text is an origin as browsers send it: no path, not even a slash, no default port, no upper case. */
function isOrigin(text: string): boolean {
  // `*` is a character that a host may have.
  const url = text.includes("*") ? null : URL.parse(text);
  return url !== null && url.host !== "" && text === `${url.protocol}//${url.host}`;
}
