import type { Access } from "../access/access.ts";
import { storedAccess } from "../access/access-header.ts";
import type { SocketAccessRow } from "./schema.ts";

/** The table `socket_access`: who has opened each socket that may not do everything. */
export class SocketAccessStore {
  readonly #sql: SqlStorage;

  /** @param sql Its tables are made. */
  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  set(socket: string, access: Access): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO socket_access (socket, access) VALUES (?, ?)",
      socket,
      JSON.stringify(access),
    );
  }

  /** The access of a socket; undefined when there is none: then nothing is allowed. */
  of(socket: string): Access | undefined {
    const [row] = this.#sql
      .exec<SocketAccessRow>("SELECT socket, access FROM socket_access WHERE socket = ?", socket)
      .toArray();
    return row === undefined ? undefined : storedAccess(row.access);
  }

  removeSocket(socket: string): void {
    this.#sql.exec("DELETE FROM socket_access WHERE socket = ?", socket);
  }

  /** Deletes the accesses of all other sockets: those went down with the gateway. */
  keepOnly(sockets: readonly string[]): void {
    this.#sql.exec(
      "DELETE FROM socket_access WHERE socket NOT IN (SELECT value FROM json_each(?))",
      JSON.stringify(sockets),
    );
  }
}
