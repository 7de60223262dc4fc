import type { DurableStreamOptions } from "./options.ts";

/** What an option may be: told to who gave something else. */
type Kind = { readonly name: string; readonly is: (value: unknown) => boolean };

const FUNCTION: Kind = { name: "a function", is: (value) => typeof value === "function" };

/** `Infinity` is for ever. */
const DURATION: Kind = { name: "a number of milliseconds, 0 or more", is: (value) => isNumber(value) && value >= 0 };

const INTERVAL: Kind = { name: "a number of milliseconds above 0", is: (value) => isNumber(value) && value > 0 };

const COUNT: Kind = { name: "a number, 0 or more", is: DURATION.is };

type KindsOf<Options extends object> = { readonly [Name in keyof Required<Options>]: Kind };

type Nested<Name extends keyof DurableStreamOptions> = Required<DurableStreamOptions>[Name];

const QUEUE: KindsOf<Nested<"queue">> = { publishes: COUNT, bytes: COUNT };
const RECONNECT: KindsOf<Nested<"reconnect">> = { leastMs: DURATION, mostMs: DURATION };
const PING: KindsOf<Nested<"ping">> = { everyMs: INTERVAL, deadAfterMs: INTERVAL };

const OBJECT: Kind = { name: "an object", is: (value) => typeof value === "object" && value !== null };

const OPTIONS: KindsOf<DurableStreamOptions> = {
  url: { name: "a URL", is: (value) => typeof value === "string" || OBJECT.is(value) },
  token: {
    name: "a string that is not empty, or a function that gives one",
    is: (value) => FUNCTION.is(value) || (typeof value === "string" && value !== ""),
  },
  WebSocket: FUNCTION,
  fetch: { name: "a function or false", is: (value) => value === false || FUNCTION.is(value) },
  onState: FUNCTION,
  timeoutMs: DURATION,
  publishTimeoutMs: DURATION,
  queue: OBJECT,
  reconnect: OBJECT,
  ping: OBJECT,
  connectTimeoutMs: DURATION,
  answerTimeoutMs: DURATION,
};

/** @throws TypeError For a time that would never come; one below 0 is over. */
export function checkTimeout(timeoutMs: number): void {
  if (!isNumber(timeoutMs)) {
    throw new TypeError("the option timeoutMs has to be a number of milliseconds");
  }
}

/**
 * Finds out whether options are what they have to be: a program without types is told so where it made its mistake.
 *
 * @throws TypeError
 */
export function checkOptions(options: DurableStreamOptions): void {
  check("", options, OPTIONS);
  // They have to be there.
  checkOne("url", options.url, OPTIONS.url);
  checkOne("token", options.token, OPTIONS.token);
  check("queue.", options.queue, QUEUE);
  check("reconnect.", options.reconnect, RECONNECT);
  check("ping.", options.ping, PING);
}

function check(prefix: string, options: object | undefined, kinds: Readonly<Record<string, Kind>>): void {
  for (const [name, value] of Object.entries(options ?? {})) {
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    if (kind === undefined) {
      throw new TypeError(`there is no option ${prefix}${name}`);
    }
    if (value !== undefined) {
      checkOne(prefix + name, value, kind);
    }
  }
}

function checkOne(name: string, value: unknown, kind: Kind): void {
  if (!kind.is(value)) {
    throw new TypeError(`the option ${name} has to be ${kind.name}`);
  }
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && !Number.isNaN(value);
}
