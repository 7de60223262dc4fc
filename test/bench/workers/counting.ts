/**
 * Counts what an isolate does, from outside of the code that does it: by what the runtime hands to it. All objects of a
 * local server share one isolate, so they share the counters.
 */
import { noCounts } from "./counters.ts";
import type { Counters } from "./counters.ts";

const counters = noCounts();
/** Cursors whose rows are not counted yet: the rows are known when a cursor has been read. */
let cursors: { rowsRead: number; rowsWritten: number }[] = [];
const MOST_CURSORS = 256;
/** When the alarm of an object is to fire. */
const alarmAt = new WeakMap<DurableObjectState, number>();
/** Every object that was reached, by what its namespace is bound to. */
const reached = new Map<string, Set<string>>();
let passedMs = 0;

/** What was counted so far. Everything that was begun has to be done. */
export function counted(): Counters {
  countRows();
  return { ...counters, callsOf: { ...counters.callsOf } };
}

/** A frame came from a client. */
export function countFrame(): void {
  counters.framesIn += 1;
}

/** An alarm fired. */
export function countAlarm(): void {
  counters.alarms += 1;
}

/** Counts what an object stores, and the alarms that it sets. */
export function countingState(ctx: DurableObjectState): DurableObjectState {
  const { storage } = ctx;
  const { sql, kv } = storage;
  const exec = sql.exec.bind(sql);
  replace(sql, "exec", ((query, ...bindings) => {
    const cursor = exec<never>(query, ...bindings);
    cursors.push(cursor);
    if (cursors.length > MOST_CURSORS) {
      countRows();
      cursors = [cursor];
    }
    return cursor;
  }) satisfies typeof sql.exec);
  const setAlarm = storage.setAlarm.bind(storage);
  replace(storage, "setAlarm", ((at, options) => {
    counters.rowsWritten += 1;
    alarmAt.set(ctx, Number(at));
    return setAlarm(at, options);
  }) satisfies typeof storage.setAlarm);
  const put = kv.put.bind(kv);
  replace(storage, "kv", {
    get: (key: string) => {
      counters.rowsRead += 1;
      return kv.get(key);
    },
    put: (key: string, value: unknown) => {
      counters.rowsWritten += 1;
      put(key, value);
    },
    delete: (key: string) => {
      counters.rowsWritten += 1;
      return kv.delete(key);
    },
  });
  return ctx;
}

/** Whether the alarm of an object is due, now that time has passed; it is not set any more then. */
export function takeDueAlarm(ctx: DurableObjectState): boolean {
  const at = alarmAt.get(ctx);
  if (at === undefined || at > Date.now()) {
    return false;
  }
  alarmAt.delete(ctx);
  return true;
}

/** An environment by which each call of an object is counted. */
export function countingEnv(env: Env): Env {
  const { STREAM, GATEWAY, UPLOAD } = env;
  return {
    ...env,
    STREAM: countingNamespace("STREAM", "Stream", STREAM),
    GATEWAY: countingNamespace("GATEWAY", "Gateway", GATEWAY),
    UPLOAD: countingNamespace("UPLOAD", "Upload", UPLOAD),
  };
}

/** Moves the clock of the code on. @returns The names of all objects that were reached, by their binding. */
export function passTime(ms: number): [binding: string, names: string[]][] {
  passedMs += ms;
  return [...reached].map(([binding, names]) => [binding, [...names]]);
}

function countingNamespace<T extends object>(binding: string, className: string, namespace: T): T {
  return new Proxy(namespace, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target);
      if (property !== "getByName" || typeof value !== "function") {
        return typeof value === "function" ? value.bind(target) : value;
      }
      return (name: string) => {
        const names = reached.get(binding) ?? new Set<string>();
        reached.set(binding, names.add(name));
        return countingStub(className, Reflect.apply(value, target, [name]));
      };
    },
  });
}

function countingStub(className: string, stub: object): object {
  return new Proxy(stub, {
    get(target, method) {
      const value: unknown = Reflect.get(target, method, target);
      if (typeof value !== "function" || typeof method === "symbol") {
        return value;
      }
      return (...args: unknown[]) => {
        const name = `${className}.${method}`;
        counters.calls += 1;
        counters.callsOf[name] = (counters.callsOf[name] ?? 0) + 1;
        return Reflect.apply(value, target, args);
      };
    },
  });
}

function countRows(): void {
  for (const { rowsRead, rowsWritten } of cursors) {
    counters.rowsRead += rowsRead;
    counters.rowsWritten += rowsWritten;
  }
  cursors = [];
}

function replace(owner: object, property: string, value: unknown): void {
  Object.defineProperty(owner, property, { configurable: true, value });
}

/** Counts what the isolate does by what is global in it. */
function countGlobals(): void {
  const { parse, stringify } = JSON;
  replace(JSON, "parse", (...args: Parameters<typeof parse>) => {
    counters.parses += 1;
    return parse(...args);
  });
  replace(JSON, "stringify", (...args: Parameters<typeof stringify>) => {
    counters.serialisations += 1;
    return stringify(...args);
  });
  const send: unknown = Reflect.get(WebSocket.prototype, "send");
  replace(WebSocket.prototype, "send", function counting(this: WebSocket, frame: string) {
    counters.framesOut += 1;
    return typeof send === "function" ? Reflect.apply(send, this, [frame]) : undefined;
  });
  const now = Date.now.bind(Date);
  replace(Date, "now", () => now() + passedMs);
}

countGlobals();
