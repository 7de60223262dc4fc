import { createRequire } from "node:module";
import { join } from "node:path";

/** A package that is installed in another folder than this one's. @param folder Its node_modules has the package. */
export async function installed<Module>(folder: string, name: string): Promise<Module> {
  const { resolve } = createRequire(join(folder, "package.json"));
  const loaded: Module = await import(resolve(name));
  return loaded;
}
