import { toJsonSchema } from "@valibot/to-json-schema";

import type { MethodSpec } from "../../rpc/index.ts";

import { code } from "./markdown.ts";

type Schema = MethodSpec["params"];
type JsonSchema = Omit<ReturnType<typeof toJsonSchema>, "$schema">;

/** One field of an object, as the reference tells it. */
export type Field = {
  /** With the names of the objects it is in: `expect.lastSequence`, `messages[].data`. */
  path: string;
  /** Of a field within one form of several: that form. */
  form?: string;
  isRequired: boolean;
  /** With its range and its unit. */
  type: string;
  /** What it is when it is left out, where its schema says so. */
  default?: unknown;
  description: string;
};

/** An object with more fields than this is described elsewhere. */
const MOST_FIELDS = 20;

/** What the number of a field counts, by its name. */
const UNITS: readonly (readonly [name: RegExp, unit: string])[] = [
  [/Ms$/, " ms"],
  [/At$|^time$/, ", ms since the epoch"],
  [/Bytes$|^(bytes|size|offset|length)$/, " bytes"],
];

/** The forms that params or a result may have: one, or as many as a union has. */
export function formsOf(schema: Schema): Field[][] {
  const { anyOf, ...whole } = toJsonSchema(schema, { errorMode: "ignore" });
  return (anyOf ?? [whole]).map((form) => (typeof form === "boolean" ? [] : fieldsOf(form, {})));
}

/** Where an object is: what stands before the names of its fields. */
type Place = { readonly prefix?: string; readonly form?: string };

function fieldsOf(object: JsonSchema, { prefix = "", form }: Place): Field[] {
  const { properties = {}, required = [] } = object;
  return Object.entries(properties).flatMap(([name, property]) => {
    if (typeof property === "boolean") {
      return [];
    }
    const path = `${prefix}${name}`;
    const field = {
      path,
      ...(form === undefined ? {} : { form }),
      isRequired: required.includes(name),
      type: typeOf(property, name),
      ...(property.default === undefined ? {} : { default: property.default }),
      description: descriptionOf(property),
    };
    return [field, ...fieldsWithin(property, { prefix: path, ...(form === undefined ? {} : { form }) })];
  });
}

/** The fields of an object, of each object of a list, and of each object that a value may be. */
function fieldsWithin(property: JsonSchema, { prefix = "", ...place }: Place): Field[] {
  const { items, anyOf = [], properties = {} } = property;
  if (typeof items === "object" && !Array.isArray(items)) {
    return fieldsOf(items, { prefix: `${prefix}[].`, ...place });
  }
  const objects = anyOf.filter((each) => typeof each === "object").filter((each) => each.properties !== undefined);
  if (objects.length > 0) {
    return objects.flatMap((each) => fieldsOf(each, { prefix: `${prefix}.`, form: objectOf(each) }));
  }
  return Object.keys(properties).length > MOST_FIELDS ? [] : fieldsOf(property, { prefix: `${prefix}.`, ...place });
}

/** What is written of a field, or of what it is when it is not null. */
function descriptionOf({ description, anyOf = [] }: JsonSchema): string {
  const within = anyOf.flatMap((each) => (typeof each === "object" ? (each.description ?? []) : []));
  return description ?? within[0] ?? "";
}

/** A type in words, with the bounds that the schema has. */
function typeOf(schema: JsonSchema, name = ""): string {
  const { anyOf, enum: values, const: only, type, items } = schema;
  if (anyOf !== undefined) {
    return anyOf.map((each) => (typeof each === "boolean" ? "any" : typeOf(each, name))).join(" or ");
  }
  if (values !== undefined) {
    return values.map((value) => code(JSON.stringify(value))).join(" or ");
  }
  if (only !== undefined) {
    return code(JSON.stringify(only));
  }
  switch (type) {
    case "array": {
      const each = typeof items === "object" && !Array.isArray(items) ? typeOf(items, name) : "any JSON";
      return `array of ${rangeOf(schema.minItems, schema.maxItems).replace(/^from (\d+) $/, "$1 or more ")}${each}`;
    }
    case "object":
      return objectOf(schema);
    case "string": {
      const range = rangeOf(schema.minLength, schema.maxLength);
      return range === "" ? "string" : `string of ${range}characters`;
    }
    case "integer":
    case "number":
      return `${type} ${rangeOf(...boundsOf(schema, name))}`.trimEnd() + unitOf(name);
    case "boolean":
    case "null":
      return type;
    case undefined:
    default:
      return "any JSON";
  }
}

function objectOf({ properties = {}, required = [] }: JsonSchema): string {
  const names = Object.keys(properties).map((name) => (required.includes(name) ? name : `${name}?`));
  return names.length === 0 || names.length > MOST_FIELDS ? "object" : code(`{ ${names.join(", ")} }`);
}

function unitOf(name: string): string {
  return UNITS.find(([of]) => of.test(name))?.[1] ?? "";
}

/** A time is any number of milliseconds: what its schema says of that is not told. */
function boundsOf({ minimum, maximum }: JsonSchema, name: string): [number | undefined, number | undefined] {
  return unitOf(name).startsWith(",") ? [undefined, undefined] : [minimum, maximum];
}

/** Bounds before what they count: `1 to 500 `, `up to 16 `, `from 1 `; nothing without bounds. */
function rangeOf(least: number | undefined, most: number | undefined): string {
  const isBounded = most !== undefined && most < Number.MAX_SAFE_INTEGER;
  const [low, high] = [least, most].map((bound) => bound?.toLocaleString("en-US"));
  if (isBounded) {
    return low === undefined ? `up to ${high} ` : `${low} to ${high} `;
  }
  return least === undefined || least < 0 ? "" : `from ${low} `;
}
