import { href } from "../../router.ts";

export const FOLDER = "folder";
export const OBJECT = "object";

/** The listing of a folder, whose text ends with a slash; of the root when it is empty. */
export function folderHref(folder: string): string {
  return href(folder === "" ? ["objects"] : ["objects", FOLDER, folder]);
}

/** The page of one object. */
export function objectHref(key: string): string {
  return href(["objects", OBJECT, key]);
}
