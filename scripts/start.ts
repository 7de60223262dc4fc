/**
 * `npm start`: the Worker as a server on this machine, for use. `npm start -- --help` says how it is set.
 *
 * This process stays the parent of the one that serves, so that Ctrl-C reaches this one alone, and neither outlives the
 * other. A signal to end has the server answer what it has taken, close its sockets and then its files; a second one ends
 * it at once.
 */
import { isIPv6 } from "node:net";
import { join } from "node:path";

import { builtWorker } from "./server/build.ts";
import { forkServer, killGroup, whenExited, whenListening } from "./server/process.ts";
import { HELP, readSettings } from "./server/settings.ts";
import { onStop } from "./stop-signals.ts";

/** One Ctrl-C comes twice: from the terminal, and from npm. */
const SAME_SIGNAL_MS = 500;

try {
  const settings = readSettings(process.argv.slice(2));
  if (settings === "help") {
    process.stdout.write(HELP);
  } else {
    await run(settings);
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}

async function run(settings: Exclude<ReturnType<typeof readSettings>, "help">): Promise<void> {
  const options = { ...settings, worker: await builtWorker() };
  const server = forkServer(join(import.meta.dirname, "server/main.ts"), options, "inherit");
  const exited = whenExited(server);
  let stoppedAt: number | undefined;
  onStop("start", () => {
    if (stoppedAt === undefined) {
      stoppedAt = performance.now();
      server.kill("SIGTERM");
    } else if (performance.now() - stoppedAt > SAME_SIGNAL_MS) {
      server.kill("SIGKILL");
    }
  });
  try {
    const port = await whenListening(server);
    const host = isIPv6(settings.host) ? `[${settings.host}]` : settings.host;
    const seconds = (performance.now() / 1_000).toFixed(1);
    console.log(
      `Durable Stream listens on http://${host}:${port}, data in ${settings.data}, ${seconds} s. To empty it: stop, and delete that folder.`,
    );
  } catch (error) {
    // An end that was asked for while it started is none of its faults.
    if (stoppedAt === undefined) {
      throw error;
    }
  } finally {
    await exited;
    // Whatever is left of the group.
    killGroup(server.pid ?? 0);
  }
  process.exitCode = stoppedAt === undefined ? 1 : (server.exitCode ?? 1);
}
