/** What to serve, and where. */
export type ServeOptions = {
  /** The folder of the built Worker. */
  worker: string;
  /** The folder that holds all that is stored; made when there is none. */
  data: string;
  host: string;
  /** 0 for a free one. */
  port: number;
  /** In place of those of wrangler.toml; `API_KEY` besides. */
  vars: Record<string, string>;
  /** Of the inspector, for tests and measurements; none unless given. */
  inspectorPort?: number;
};

/** The name of the Worker that is served. */
export const SCRIPT = "durable-stream";
/** The location that the Worker takes this machine for: the names of its gateways begin with it. */
export const LOCATION = "local";

/** What every Miniflare of this repository is: nothing that asks the network, and nothing that slows every call down. */
export const OFFLINE = {
  cf: false,
  telemetry: { enabled: false },
  unsafeLocalExplorer: false,
  unsafeObservability: false,
} as const;
