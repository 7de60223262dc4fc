/**
 * Finds text that is not well-formed Unicode: half of a surrogate pair, which a `\u` escape can write into any JSON.
 * It has no UTF-8, so what stores text as UTF-8 stores another character in its place.
 *
 * On the way of every call, so it builds nothing where there is nothing to find.
 *
 * @param value Of JSON, nested no deeper than a frame may be.
 * @returns The first one's place as names of members from the outside in; for a name, the place of its object. Undefined
 * when all is well-formed.
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
