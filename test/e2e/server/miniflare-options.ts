/** What every Miniflare of these tests is: nothing that asks the network, and nothing that slows every call down. */
export const OFFLINE = {
  cf: false,
  telemetry: { enabled: false },
  unsafeLocalExplorer: false,
  unsafeObservability: false,
} as const;
