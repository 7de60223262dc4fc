import { toJsonSchema, toJsonSchemaDefs } from "@valibot/to-json-schema";
import type { ConversionConfig } from "@valibot/to-json-schema";
import type * as v from "valibot";

import * as consumer from "../schemas/consumer.ts";
import * as message from "../schemas/message.ts";
import * as names from "../schemas/names.ts";
import * as object from "../schemas/object.ts";
import * as server from "../schemas/server.ts";
import * as state from "../schemas/state.ts";
import * as stream from "../schemas/stream.ts";
import * as subscription from "../schemas/subscription.ts";

type Schema = v.GenericSchema;

/** A JSON Schema of draft 7: the keywords that are read here. */
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

/** Every exported schema of the contract by name, except params, which the document lists one by one. */
const NAMED: Record<string, Schema> = Object.fromEntries(
  [consumer, message, names, object, server, state, stream, subscription]
    .flatMap((module): [string, unknown][] => Object.entries(module))
    .filter((entry): entry is [string, Schema] => isSchema(entry[1]) && !entry[0].endsWith("Params")),
);

const UUID = "^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$";

const CONFIG: ConversionConfig = {
  // A check, such as the total size of headers, has no JSON Schema. The description says it.
  errorMode: "ignore",
  // Draft 7 has no format `uuid`, and strict validators refuse a schema with an unknown format.
  overrideAction: ({ valibotAction, jsonSchema: { format: _uuid, ...others } }) =>
    valibotAction.type === "uuid" ? { ...others, pattern: UUID } : undefined,
  overrideRef: ({ referenceId }) => `#/components/schemas/${referenceId}`,
};

/** The named schemas of the contract. */
export function namedJsonSchemas(): Record<string, JsonSchema> {
  const schemas: Record<string, JsonSchema> = JSON.parse(JSON.stringify(toJsonSchemaDefs(NAMED, CONFIG)));
  return Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, titled(schema, name)]));
}

/**
 * Converts a schema, with a title on each part. Generators name types by the titles, and without them by the contents. A
 * named schema becomes a reference.
 *
 * @param title Title of the whole, and prefix of the titles of its parts.
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

/** A name for one option of a union: its properties, or its index when it has none. */
function optionName({ properties = {} }: JsonSchema, index: number): string {
  return Object.keys(properties).map(pascal).join("") || `Option${index + 1}`;
}

/** Turns a camel-case name into Pascal case. */
export function pascal(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

function mapValues<T>(record: Record<string, T>, map: (value: T, name: string) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value, name)]));
}

function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "schema";
}
