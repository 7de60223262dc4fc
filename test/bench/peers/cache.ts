import { join } from "node:path";

/** Where peers are unpacked and their clients installed; git does not see it. */
export const CACHE = join(import.meta.dirname, "../../../.bench");
/** Root of the unpacked Debian packages. */
export const UNPACKED = join(CACHE, "debian");
/** Packages of npm: the peers' own clients. */
export const MODULES = join(CACHE, "npm");
