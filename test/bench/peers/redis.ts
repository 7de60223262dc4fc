import { freePort } from "../../e2e/server/free-port.ts";
import type { Installed, Program } from "./install.ts";
import { startProgram } from "./system.ts";
import type { System } from "./system.ts";

const FSYNC = {
  always: "the append-only file is synced before the answers of each turn of the event loop",
  everysec: "the append-only file is synced once a second; up to a second of acknowledged messages may be lost",
};

/** Redis Streams, in both settings. */
export function redisSystems({ redis, modules }: Installed): System[] {
  return redis === undefined ? [] : [system(redis, "always", modules), system(redis, "everysec", modules)];
}

function system(program: Program, fsync: keyof typeof FSYNC, modules: string | undefined): System {
  return {
    name: `redis-${fsync}`,
    label: `Redis ${fsync}`,
    title: `Redis ${program.version} Streams, appendfsync ${fsync}`,
    durability: FSYNC[fsync],
    async start(folder) {
      const port = await freePort();
      const flags = { port, bind: "127.0.0.1", dir: folder, appendonly: "yes", appendfsync: fsync, maxclients: 4000 };
      const words = Object.entries({ ...flags, save: "" }).flatMap(([name, value]) => [`--${name}`, String(value)]);
      const running = await startProgram(program, words, port);
      const endpoint = {
        kind: "redis" as const,
        host: "127.0.0.1",
        port,
        ...(modules === undefined ? {} : { modules }),
      };
      return { endpoint, ...running };
    },
  };
}
