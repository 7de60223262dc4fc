import * as v from "valibot";

/** Names that valibot silently leaves out of a record, because they are special on JavaScript objects. */
const RESERVED_NAMES = ["__proto__", "prototype", "constructor"];

/** An object of strings by name, checked before `v.record`, which would lose reserved names and accept an array. */
export const StringRecord = v.custom<Record<string, string>>(
  (record) => !Array.isArray(record) && !RESERVED_NAMES.some((name) => hasOwn(record, name)),
  `must be an object without the names ${RESERVED_NAMES.join(", ")}`,
);

function hasOwn(value: unknown, name: string): boolean {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name);
}
