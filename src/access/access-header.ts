import { ROOT } from "./access.ts";
import type { Access } from "./access.ts";

/**
 * The header by which the Worker tells a gateway who has opened a socket, as JSON. What a client sends of that name is
 * dropped. The gateway answers with it when it holds the socket to that access: one of an earlier version does not.
 */
export const ACCESS_HEADER = "Durable-Stream-Access";

/** An access as the value of {@link ACCESS_HEADER}, which may have ASCII only. */
export function toAccessHeader(access: Access): string {
  return JSON.stringify(access).replaceAll(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/**
 * The access in a header.
 *
 * @param value Null of a Worker that is of the version before this header: it lets in only who may do everything.
 */
export function accessOfHeader(value: string | null): Access {
  return value === null ? ROOT : storedAccess(value);
}

/** An access that was written as JSON by this code or another version of it. */
export function storedAccess(text: string): Access {
  const access: Access = JSON.parse(text);
  return isRoot(access) ? ROOT : access;
}

/** Whether an access is {@link ROOT}, without an end, a subject or a bound. */
export function isRoot(access: Access): boolean {
  return access.rights === "all" && Object.values(access).filter((value) => value !== undefined).length === 1;
}
