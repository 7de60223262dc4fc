import { toJsonSchema } from "@valibot/to-json-schema";

import { ErrorCode, ERRORS } from "./errors.ts";
import { COMMON_ERRORS, METHODS } from "./methods.ts";
import type { MethodSpec } from "./methods.ts";
import { NOTIFICATIONS } from "./notifications.ts";

type Schema = MethodSpec["params"];

/** A JSON Schema of draft 7; OpenRPC 1.3 takes no other. */
function jsonSchema(schema: Schema): Record<string, unknown> {
  // A check (headers' total size) has no JSON Schema; its sentence is in the description.
  const { $schema: _dialect, ...rest } = toJsonSchema(schema, { errorMode: "ignore" });
  return rest;
}

/** The named params of a method: the properties of its object, or of every object of its union. */
function contentDescriptors(schema: Schema) {
  const objects = "options" in schema && Array.isArray(schema.options) ? schema.options : [schema];
  const params = new Map<string, { name: string; schema: object; in: number; required: number }>();
  for (const object of objects) {
    const { properties = {}, required = [] } = jsonSchema(object) as {
      properties?: Record<string, object>;
      required?: string[];
    };
    for (const [name, property] of Object.entries(properties)) {
      const param = params.get(name) ?? { name, schema: property, in: 0, required: 0 };
      param.in += 1;
      param.required += required.includes(name) ? 1 : 0;
      params.set(name, param);
    }
  }
  // The specification wants required params before optional ones.
  return [...params.values()]
    .map((param) => ({ name: param.name, required: param.required === objects.length, schema: param.schema }))
    .toSorted((a, b) => Number(b.required) - Number(a.required));
}

/**
 * The contract as an OpenRPC 1.3 document. Notifications to the client stand under `x-notifications`, for which
 * OpenRPC has no place of its own.
 *
 * @param version The server's version.
 */
export function openRpcDocument(version: string) {
  const methods: [string, MethodSpec][] = Object.entries(METHODS);
  return {
    openrpc: "1.3.2",
    info: {
      title: "Durable Stream",
      version,
      description: "Durable, numbered messages over JSON-RPC 2.0, on WebSocket at /rpc and HTTP at POST /rpc.",
      license: { name: "MIT" },
    },
    methods: methods.map(([name, method]) => ({
      name,
      description: method.description,
      paramStructure: "by-name",
      params: contentDescriptors(method.params),
      result: { name: `${name}Result`, schema: jsonSchema(method.result) },
      errors: [...method.errors, ...COMMON_ERRORS].map((error) => ({
        code: ErrorCode[error],
        message: ERRORS[error].meaning,
      })),
      ...(method.needsSocket === undefined ? {} : { "x-needs-socket": true }),
    })),
    "x-notifications": Object.entries(NOTIFICATIONS).map(([name, notification]) => ({
      name,
      description: notification.description,
      params: contentDescriptors(notification.params),
    })),
  };
}
