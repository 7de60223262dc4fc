/**
 * Finds text that is not well-formed Unicode: half of a surrogate pair, which a `\u` escape can write into any JSON. It
 * can not be encoded as UTF-8, so storing it would replace it by another character.
 *
 * It runs for every call, and allocates nothing when all text is well-formed.
 *
 * @param value Parsed JSON, nested no deeper than `LIMITS.nesting`.
 * @returns The path of the first such text, member names from the outside in; for a member name, the path of its
 * object. Undefined when all text is well-formed.
 */
export function findIllFormed(value: unknown): string[] | undefined {
  if (typeof value === "string") {
    return value.isWellFormed() ? undefined : [];
  }
  if (Array.isArray(value)) {
    return findInList(value);
  }
  return isObject(value) ? findInObject(value) : undefined;
}

function findInList(list: readonly unknown[]): string[] | undefined {
  for (let index = 0; index < list.length; index += 1) {
    const path = findIllFormed(list[index]);
    if (path !== undefined) {
      return [String(index), ...path];
    }
  }
  return undefined;
}

function findInObject(object: Readonly<Record<string, unknown>>): string[] | undefined {
  for (const name of Object.keys(object)) {
    if (!name.isWellFormed()) {
      return [];
    }
    const path = findIllFormed(object[name]);
    if (path !== undefined) {
      return [name, ...path];
    }
  }
  return undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
