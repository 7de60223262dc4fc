/** Keys as folders: the slash is only a character of a key, and a folder whatever keys have before one. */

export const SLASH = "/";

/** The folder of a key or of a folder, with its slash at the end; empty for the root. */
export function folderOf(key: string): string {
  const end = key.lastIndexOf(SLASH, key.length - 2);
  return key.slice(0, end + 1);
}

/** What a folder's listing shows of a key or a folder in it. */
export function nameIn(folder: string, key: string): string {
  return key.startsWith(folder) ? key.slice(folder.length) : key;
}

/** The last segment, such as a file is saved by. */
export function fileNameOf(key: string): string {
  return nameIn(folderOf(key), key);
}

/** The folders above and including one, outermost first. */
export function pathOf(folder: string): { readonly name: string; readonly folder: string }[] {
  const names = folder.split(SLASH).slice(0, -1);
  return names.map((name, index) => ({ name, folder: `${names.slice(0, index + 1).join(SLASH)}${SLASH}` }));
}
