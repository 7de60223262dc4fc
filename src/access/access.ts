import type { Rights } from "../../rpc/index.ts";

/** Who calls, and what it may do. It crosses from the Worker to a gateway as JSON, and rests there for the life of a socket. */
export type Access = {
  /** `all`: the root key, or a service binding without props. */
  readonly rights: Rights | "all";
  /** Whom a token is for, in the words of who issued it. */
  readonly subject?: string | undefined;
  /** Stands before every stream name and object key that the caller says, and is taken off those it is told. */
  readonly prefix?: string | undefined;
  /** When its token ends, in milliseconds since the epoch. Left out: never. */
  readonly expiresAt?: number;
  /** Messages that it may publish in a second on one socket; left out: any number. */
  readonly publishesPerSecond?: number;
  /** Sockets that its subject may hold in one gateway; left out: any number. */
  readonly socketsPerSubject?: number;
};

/** The access of who may do everything. */
export const ROOT: Access = { rights: "all" };
