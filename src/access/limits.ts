import type { Access } from "./access.ts";

/** The settings by which tokens are bounded that do not say so themselves. */
export type LimitSettings = { readonly PUBLISHES_PER_SECOND?: string; readonly SOCKETS_PER_SUBJECT?: string };

/** Messages that a caller may publish in a second; undefined for any number. The key and bindings are never bounded. */
export function publishesPerSecond(access: Access, settings: LimitSettings): number | undefined {
  return limitOf(access, access.publishesPerSecond, settings.PUBLISHES_PER_SECOND);
}

/** Sockets that the subject of a caller may hold in one gateway; undefined for any number, also of who has no subject. */
export function socketsPerSubject(access: Access, settings: LimitSettings): number | undefined {
  const { subject } = access;
  return subject === undefined ? undefined : limitOf(access, access.socketsPerSubject, settings.SOCKETS_PER_SUBJECT);
}

function limitOf({ expiresAt }: Access, own: number | undefined, setting = ""): number | undefined {
  const isOfToken = expiresAt !== undefined;
  return own ?? (isOfToken && /^[1-9]\d{0,14}$/.test(setting) ? Number(setting) : undefined);
}
