import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { freePort } from "../../e2e/server/free-port.ts";
import type { Installed, Program } from "./install.ts";
import { startProgram } from "./system.ts";
import type { System } from "./system.ts";

const SYNC = {
  always: { setting: "sync_interval: always", durability: "each message is synced before it is acknowledged" },
  default: {
    setting: "",
    durability: "synced every two minutes; what was acknowledged since may be lost with the machine",
  },
};

/** NATS JetStream with file storage, in both settings. */
export function natsSystems({ nats, modules }: Installed): System[] {
  return nats === undefined ? [] : [system(nats, "always", modules), system(nats, "default", modules)];
}

function system(program: Program, sync: keyof typeof SYNC, modules: string | undefined): System {
  const { setting, durability } = SYNC[sync];
  return {
    name: `nats-${sync}`,
    label: `NATS ${sync}`,
    title: `NATS JetStream ${program.version}, sync ${sync}`,
    durability,
    async start(folder) {
      const port = await freePort();
      await mkdir(folder, { recursive: true });
      const config = join(folder, "nats.conf");
      await writeFile(config, `listen: "127.0.0.1:${port}"\njetstream { store_dir: "${folder}" \n ${setting} }\n`);
      const running = await startProgram(program, ["-c", config], port);
      const endpoint = {
        kind: "nats" as const,
        host: "127.0.0.1",
        port,
        ...(modules === undefined ? {} : { modules }),
      };
      return { endpoint, ...running };
    },
  };
}
