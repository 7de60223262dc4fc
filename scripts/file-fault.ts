/** What a system error means for what was tried; which error it is else, is said by its code. */
const REASONS = {
  read: {
    ENOENT: "which is not there",
    ENOTDIR: "which is not there",
    EISDIR: "which is a folder",
    EACCES: "which this user may not read",
  },
  write: {
    EEXIST: "which is there already",
    ENOENT: "whose folder is not there",
    ENOTDIR: "whose folder is not there",
    EACCES: "which this user may not write",
  },
  "make a folder": {
    EEXIST: "which is a file",
    ENOTDIR: "which is below a file",
    EACCES: "which this user may not make",
  },
} as const satisfies Record<string, Readonly<Record<string, string>>>;

/**
 * The error for a file or folder of a setting that can not be used, in one sentence for who set it.
 *
 * @param where Which setting, and which file: "--key-file names /nowhere".
 * @param remedy What to do: "write the key to it".
 */
export function fileFault(
  error: unknown,
  { tried, where, remedy }: { tried: keyof typeof REASONS; where: string; remedy: string },
): Error {
  const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
  const reasons: Readonly<Record<string, string>> = REASONS[tried];
  return new Error(`${where}, ${reasons[code] ?? `which can not be used (${code})`}: ${remedy}`, { cause: error });
}
