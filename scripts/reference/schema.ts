import { toJsonSchema } from "@valibot/to-json-schema";

import type { MethodSpec } from "../../rpc/index.ts";

type Schema = MethodSpec["params"];
type JsonSchema = Omit<ReturnType<typeof toJsonSchema>, "$schema">;

/** One field of an object, as the reference tells it. */
export type Field = {
  /** With the names of the objects it is in: `expect.lastSequence`, `messages[].data`. */
  path: string;
  isRequired: boolean;
  type: string;
  description: string;
};

/** The forms that params or a result may have: one, or as many as a union has. */
export function formsOf(schema: Schema): Field[][] {
  const { anyOf, ...whole } = toJsonSchema(schema, { errorMode: "ignore" });
  return (anyOf ?? [whole]).map((form) => (typeof form === "boolean" ? [] : fieldsOf(form, "")));
}

function fieldsOf(object: JsonSchema, prefix: string): Field[] {
  const { properties = {}, required = [] } = object;
  return Object.entries(properties).flatMap(([name, property]) => {
    if (typeof property === "boolean") {
      return [];
    }
    const path = `${prefix}${name}`;
    const isRequired = required.includes(name);
    const field = { path, isRequired, type: typeOf(property), description: property.description ?? "" };
    return [field, ...fieldsWithin(property, path)];
  });
}

function fieldsWithin(property: JsonSchema, path: string): Field[] {
  const { items } = property;
  if (typeof items === "object" && !Array.isArray(items)) {
    return fieldsOf(items, `${path}[].`);
  }
  return fieldsOf(property, `${path}.`);
}

/** A type in words, with the bounds that the schema has. */
function typeOf(schema: JsonSchema): string {
  const { anyOf, enum: values, const: only, type, items } = schema;
  if (anyOf !== undefined) {
    return anyOf.map((each) => (typeof each === "boolean" ? "any" : typeOf(each))).join(" or ");
  }
  if (values !== undefined) {
    return values.map((value) => `\`${JSON.stringify(value)}\``).join(" or ");
  }
  if (only !== undefined) {
    return `\`${JSON.stringify(only)}\``;
  }
  if (type === "array") {
    const each = typeof items === "object" && !Array.isArray(items) ? typeOf(items) : "any JSON";
    return `array${rangeOf(schema.minItems, schema.maxItems)} of ${each}`;
  }
  if (type === "object") {
    const fields = Object.keys(schema.properties ?? {});
    return fields.length === 0 ? "object" : `{ ${fields.join(", ")} }`;
  }
  if (type === "string") {
    return `string${rangeOf(schema.minLength, schema.maxLength)}`;
  }
  if (type === "integer" || type === "number") {
    return `${type}${rangeOf(schema.minimum, schema.maximum)}`;
  }
  return type === undefined ? "any JSON" : String(type);
}

function rangeOf(least: number | undefined, most: number | undefined): string {
  const isBounded = most !== undefined && most < Number.MAX_SAFE_INTEGER;
  const [low, high] = [least, most].map((bound) => bound?.toLocaleString("en-US"));
  if (isBounded) {
    return ` ${low ?? "up"} to ${high}`;
  }
  return least === undefined || least < 0 ? "" : ` from ${low}`;
}
