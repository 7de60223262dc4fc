import { toJsonSchema, toJsonSchemaDefs } from "@valibot/to-json-schema";
import type { ConversionConfig } from "@valibot/to-json-schema";
import type * as v from "valibot";

import * as consumer from "./consumer.ts";
import * as message from "./message.ts";
import * as names from "./names.ts";
import * as object from "./object.ts";
import * as server from "./server.ts";
import * as state from "./state.ts";
import * as stream from "./stream.ts";
import * as subscription from "./subscription.ts";

type Schema = v.GenericSchema;

/** A JSON Schema of draft 7, as far as this looks into one. */
export type JsonSchema = {
  title?: string;
  default?: unknown;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  additionalProperties?: JsonSchema | boolean;
  propertyNames?: JsonSchema;
  $ref?: string;
};

/** Every schema that the contract exports under a name, but for params and notifications, whose members stand alone. */
const NAMED: Record<string, Schema> = Object.fromEntries(
  [consumer, message, names, object, server, state, stream, subscription]
    .flatMap((module): [string, unknown][] => Object.entries(module))
    .filter((entry): entry is [string, Schema] => isSchema(entry[1]) && !entry[0].endsWith("Params")),
);

const UUID = "^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$";

const CONFIG: ConversionConfig = {
  // A check (headers' total size) has no JSON Schema; its sentence is in the description.
  errorMode: "ignore",
  // Draft 7 has no format `uuid`, and what is strict about formats refuses a schema with one that it does not know.
  overrideAction: ({ valibotAction, jsonSchema: { format: _uuid, ...others } }) =>
    valibotAction.type === "uuid" ? { ...others, pattern: UUID } : undefined,
  overrideRef: ({ referenceId }) => `#/components/schemas/${referenceId}`,
};

/** The schemas of the contract that have a name of their own, by it. */
export function namedJsonSchemas(): Record<string, JsonSchema> {
  const schemas: Record<string, JsonSchema> = JSON.parse(JSON.stringify(toJsonSchemaDefs(NAMED, CONFIG)));
  return Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, titled(schema, name)]));
}

/**
 * A schema with a title on each part: generators make the names of types from titles, and without them from all that a
 * schema holds. A schema that has a name of its own is a reference.
 *
 * @param title Of the whole; its parts have it with theirs behind.
 */
export function jsonSchema(schema: Schema, title: string): JsonSchema {
  const { $schema: _dialect, $defs: _named, ...rest } = toJsonSchema(schema, { ...CONFIG, definitions: NAMED });
  const plain: JsonSchema = JSON.parse(JSON.stringify(rest));
  return titled(plain, title);
}

function titled(schema: JsonSchema, title: string): JsonSchema {
  if (schema.$ref !== undefined) {
    return schema;
  }
  const { properties, items, anyOf, additionalProperties, propertyNames } = schema;
  return {
    title,
    ...schema,
    ...(properties === undefined
      ? {}
      : { properties: mapValues(properties, (part, name) => titled(part, title + pascal(name))) }),
    ...(items === undefined ? {} : { items: titled(items, `${title}Item`) }),
    ...(anyOf === undefined
      ? {}
      : { anyOf: anyOf.map((part, index) => titled(part, title + optionName(part, index))) }),
    ...(typeof additionalProperties === "object"
      ? { additionalProperties: titled(additionalProperties, `${title}Value`) }
      : {}),
    ...(propertyNames === undefined ? {} : { propertyNames: titled(propertyNames, `${title}Name`) }),
  };
}

/** What tells one option of a union from the others: its members where it has some. */
function optionName({ properties = {} }: JsonSchema, index: number): string {
  return Object.keys(properties).map(pascal).join("") || `Option${index + 1}`;
}

/** A name in camel case as the name of a type. */
export function pascal(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

function mapValues<T>(record: Record<string, T>, map: (value: T, name: string) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value, name)]));
}

function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "schema";
}
