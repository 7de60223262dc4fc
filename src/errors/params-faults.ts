import type * as v from "valibot";
import { safeParse } from "valibot";

import { LIMITS } from "../../rpc/index.ts";

import { noneOf, orList, valueFault, valuesOf } from "./fault-words.ts";
import { nearestName } from "./nearest.ts";

/** Most faults that an answer lists: params may fill a frame with them. */
const MAX_FAULTS = 16;
/** One more than any list of the contract may have. */
const MAX_ELEMENTS = LIMITS.maxInFlight + 1;
/** How deep the lists of the contract lie: the deepest are the lists of each right. */
const LIST_DEPTH = 3;

/** What is wrong at one place of params. `reason` goes on where the path ends: "must be a string, not 5". */
export type Fault = {
  readonly path: readonly string[];
  readonly kind: "unknown" | "missing" | "value";
  readonly reason: string;
  /** Of an unknown field: the known one that may be meant. */
  readonly near?: string | undefined;
};

type Issue = v.BaseIssue<unknown>;

/** A schema of valibot, with what it may hold others in. */
type Schema = v.GenericSchema & {
  readonly entries?: Readonly<Record<string, v.GenericSchema>>;
  readonly item?: v.GenericSchema;
  readonly wrapped?: v.GenericSchema;
  readonly options?: readonly unknown[];
};

/** An alternative: what it knows, what keeps a value from it, and how much of what it needs is there. */
type Branch = {
  readonly fields: readonly string[];
  readonly faults: readonly Fault[];
  readonly cost: number;
  readonly present: number;
};

/**
 * What is wrong with params that do not fit a schema. Unknown fields come first: they say what the caller meant. Where there
 * are alternatives, it is what keeps the params from the one that fits best.
 */
export function faultsOf(schema: Schema, params: unknown): Fault[] {
  const issues: readonly Issue[] = safeParse(schema, withShortLists(params)).issues ?? [];
  const unknown = issues.filter(isUnknown);
  const others = issues.filter((issue) => !isUnknown(issue));
  const first = [...unknown, ...others].slice(0, MAX_FAULTS);
  return first.flatMap((issue) => faultsOfIssue(schema, issue)).slice(0, MAX_FAULTS);
}

function isUnknown({ type, expected }: Issue): boolean {
  return type === "strict_object" && expected === "never";
}

function faultsOfIssue(schema: Schema, issue: Issue): Fault[] {
  const path = (issue.path ?? []).map(({ key }) => String(key));
  if (isUnknown(issue)) {
    const within = path.slice(0, -1);
    return unknownFields(fieldsOf(schemaAt(schema, within)), issue.path?.at(-1)?.input, within);
  }
  if (issue.type === "strict_object" && issue.expected !== "Object") {
    return [{ path, kind: "missing", reason: "is missing" }];
  }
  return issue.type === "union"
    ? alternativeFaults(optionsOf(schemaAt(schema, path)), issue.input, path)
    : [{ path, kind: "value", reason: valueFault(issue, path) }];
}

/** All fields of an object that it may not have; valibot tells of the first only. */
function unknownFields(known: readonly string[], input: unknown, within: readonly string[]): Fault[] {
  const fields = Object.keys(Object(input)).filter((name) => !known.includes(name));
  const free = known.filter((name) => !Object.hasOwn(Object(input), name));
  return fields.slice(0, MAX_FAULTS).map((name) => {
    const near = nearestName(name, free);
    const all = known.length === 0 ? "there are none" : `known are ${known.join(", ")}`;
    const reason = near === undefined ? `is not known; ${all}` : `is not known; did you mean ${near}?`;
    return { path: [...within, name], kind: "unknown", reason, near };
  });
}

/** What keeps a value from the alternative that fits it best. */
function alternativeFaults(options: readonly Schema[], input: unknown, path: readonly string[]): Fault[] {
  const objects = options.filter(({ entries }) => entries !== undefined);
  if (typeof input !== "object" || input === null || Array.isArray(input)) {
    return [{ path, kind: "value", reason: noneOf(options.flatMap(wordsOf), input, path) }];
  }
  const branches = objects.map((option) => branchOf(option, input));
  const [best, ...others] = branches.toSorted((a, b) => a.cost - b.cost || b.present - a.present);
  return (best?.faults ?? []).map((fault) => ({
    ...fault,
    path: [...path, ...fault.path],
    reason: (best === undefined ? undefined : besideOthers(fault, best, { others, input })) ?? fault.reason,
  }));
}

/** Params cost no more to explain than ones that could be right: what is in their lists beyond that is left out. */
function withShortLists(value: unknown, depth = 0): unknown {
  if (typeof value !== "object" || value === null || depth > LIST_DEPTH) {
    return value;
  }
  if (Array.isArray(value)) {
    return value.slice(0, MAX_ELEMENTS).map((element) => withShortLists(element, depth + 1));
  }
  const fields: [string, unknown][] = Object.entries(value);
  return Object.fromEntries(fields.map(([name, field]) => [name, withShortLists(field, depth + 1)]));
}

function branchOf(option: Schema, input: object): Branch {
  const faults = faultsOf(option, input);
  return {
    fields: fieldsOf(option),
    faults,
    // A field that is misspelt speaks for the alternative that has it; one that is of another speaks against.
    cost: faults.reduce((sum, { kind, near }) => sum + (kind === "unknown" && near === undefined ? 2 : 1), 0),
    present: requiredOf(option).filter((name) => Object.hasOwn(input, name)).length,
  };
}

/** What a fault is when there are other alternatives than its own; undefined when they make no difference. */
function besideOthers(
  { path, kind }: Fault,
  best: Branch,
  { others, input }: { others: readonly Branch[]; input: object },
): string | undefined {
  const [name = "", ...deeper] = path;
  if (deeper.length > 0) {
    return undefined;
  }
  if (kind === "unknown") {
    const owner = others.find(({ fields }) => fields.includes(name));
    const partner = best.fields.find((field) => Object.hasOwn(input, field) && owner?.fields.includes(field) === false);
    return partner === undefined ? undefined : `does not go with ${partner}`;
  }
  const lacking = missingOf(best);
  const equals = others.filter(({ cost, fields }) => cost === best.cost && !fields.includes(name));
  const instead = equals.flatMap(missingOf).filter((field) => !lacking.includes(field));
  return kind === "value" || instead.length === 0 ? undefined : `is missing; ${orList(instead)} may stand for it`;
}

function missingOf({ faults }: Branch): string[] {
  return faults.flatMap(({ kind, path }) => (kind === "missing" ? path.slice(0, 1) : []));
}

/** An alternative in words: the values that it is one of, or the fields that an object needs. */
function wordsOf(option: Schema): string[] {
  return option.entries === undefined ? valuesOf(option.expects) : [`{ ${requiredOf(option).join(", ")} }`];
}

function fieldsOf(schema: Schema | undefined): string[] {
  return Object.keys(schema?.entries ?? {});
}

function requiredOf({ entries = {} }: Schema): string[] {
  return Object.keys(entries).filter((name) => entries[name]?.type !== "optional");
}

function optionsOf(schema: Schema | undefined): Schema[] {
  return schema?.options?.filter(isSchema) ?? [];
}

function isSchema(option: unknown): option is Schema {
  return typeof option === "object" && option !== null && "kind" in option && option.kind === "schema";
}

/** The schema of what is at a path, without what only makes it optional. */
function schemaAt(schema: Schema, path: readonly string[]): Schema | undefined {
  if (schema.wrapped !== undefined) {
    return schemaAt(schema.wrapped, path);
  }
  const [name, ...rest] = path;
  if (name === undefined) {
    return schema;
  }
  const inner: Schema | undefined = schema.entries?.[name] ?? schema.item;
  return inner === undefined ? undefined : schemaAt(inner, rest);
}
