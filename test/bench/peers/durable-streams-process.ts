/** The process of `@durable-streams/server` with its file store: port, folder of its data, folder of its package. */
import { installed } from "../driver/installed.ts";

type Options = { host: string; port: number; dataDir: string; compression: boolean };
type ServerModule = { DurableStreamTestServer: new (options: Options) => { start(): Promise<void> } };

const [port, dataDir = "", modules = ""] = process.argv.slice(2);
const { DurableStreamTestServer } = await installed<ServerModule>(modules, "@durable-streams/server");
await new DurableStreamTestServer({ host: "127.0.0.1", port: Number(port), dataDir, compression: false }).start();
