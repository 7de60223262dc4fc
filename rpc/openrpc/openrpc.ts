import type * as v from "valibot";

import { COMMON_ERRORS, ErrorCode, ERRORS } from "../protocol/errors.ts";
import { EXAMPLES } from "./examples.ts";
import type { ListedMethod } from "./examples.ts";
import { jsonSchema, namedJsonSchemas, pascal } from "./json-schemas.ts";
import type { JsonSchema } from "./json-schemas.ts";
import { LIMITS } from "../protocol/limits.ts";
import type { MethodName } from "../methods/method-traits.ts";
import { METHODS } from "../methods/methods.ts";
import type { MethodParams, MethodSpec } from "../methods/methods.ts";
import { NOTIFICATIONS } from "../methods/notifications.ts";
import { TOKEN_DEFAULT_MS } from "../methods/token.ts";
import { CONSUMER_DEFAULTS, OBJECT_URL_MS, PAGE_DEFAULTS, SUBSCRIPTION_DEFAULTS } from "../protocol/protocol.ts";

/** Default values of params. For a union they apply to its first option. */
const DEFAULTS: { readonly [M in MethodName]?: Readonly<Record<string, unknown>> & Partial<MethodParams<M>> } = {
  getMessages: { limit: LIMITS.pageMessages },
  listProducers: { limit: LIMITS.pageProducers },
  subscribe: SUBSCRIPTION_DEFAULTS,
  createConsumer: { ...CONSUMER_DEFAULTS, backoffMs: [...CONSUMER_DEFAULTS.backoffMs] },
  fetchMessages: { limit: PAGE_DEFAULTS.fetchMessages },
  ackMessages: { outcome: "ack" },
  getDeadLetters: { from: 1, limit: LIMITS.pageMessages },
  putObject: { encoding: "utf8" },
  uploadPart: { encoding: "utf8" },
  listObjects: { limit: PAGE_DEFAULTS.listObjects },
  issueToken: { expiresInMs: TOKEN_DEFAULT_MS },
  createObjectUrl: { expiresInMs: OBJECT_URL_MS.default },
};

const ELSEWHERE = "This is where `npm run dev` serves; a deployed one has a host of its own, and wss or https.";

/** One param as OpenRPC describes it. */
type ContentDescriptor = { name: string; required: boolean; schema: JsonSchema };

/** Params that may be given together: one option of a union. */
type ParamSet = { required: string[]; optional: string[] };

/** The object schemas of a method's params: one, or the options of a union. */
function objectsOf(schema: v.GenericSchema, title: string): JsonSchema[] {
  const objects = "options" in schema && Array.isArray(schema.options) ? schema.options : [schema];
  return objects.map((object: v.GenericSchema) => jsonSchema(object, title));
}

/** The params of a method by name: the properties of its object, or of all options of its union. */
function contentDescriptors(objects: readonly JsonSchema[], defaults: Readonly<Record<string, unknown>> = {}) {
  const params = new Map<string, ContentDescriptor>();
  for (const { properties = {}, required = [] } of objects) {
    for (const [name, schema] of Object.entries(properties)) {
      const isRequired = required.includes(name) && objects.every((object) => object.required?.includes(name));
      params.set(name, params.get(name) ?? { name, required: isRequired, schema: withDefault(schema, defaults[name]) });
    }
  }
  // OpenRPC requires that required params come before optional ones.
  return [...params.values()].toSorted((a, b) => Number(b.required) - Number(a.required));
}

function withDefault(schema: JsonSchema, value: unknown): JsonSchema {
  // In draft 7 keywords beside `$ref` are ignored, so the default of `From` is in its own schema.
  return value === undefined || schema.$ref !== undefined ? schema : { ...schema, default: value };
}

/** The options of a union, which OpenRPC has no field for. */
function paramSets(objects: readonly JsonSchema[]): ParamSet[] {
  return objects.map(({ properties = {}, required = [] }) => ({
    required,
    optional: Object.keys(properties).filter((name) => !required.includes(name)),
  }));
}

function describe(description: string, sets: readonly ParamSet[]): string {
  const told = sets.map(({ required, optional }) => [...required, ...optional.map((name) => `${name}?`)].join(", "));
  return sets.length === 1
    ? description
    : `${description} Takes either ${told.map((set) => `\`${set}\``).join(" or ")}.`;
}

function methodObject(name: ListedMethod) {
  const method: MethodSpec = METHODS[name];
  const objects = objectsOf(method.params, pascal(name));
  const params = contentDescriptors(objects, DEFAULTS[name]);
  const sets = paramSets(objects);
  const example = EXAMPLES[name];
  const given: Readonly<Record<string, unknown>> = example.params;
  return {
    name,
    summary: method.description,
    description: describe(method.description, sets),
    paramStructure: "by-name",
    params,
    result: { name: `${name}Result`, schema: jsonSchema(method.result, `${pascal(name)}Result`) },
    errors: [...method.errors, ...COMMON_ERRORS].map((error) => ({
      code: ErrorCode[error],
      message: ERRORS[error].meaning,
    })),
    examples: [
      {
        name,
        params: params
          .filter((param) => Object.hasOwn(given, param.name))
          .map((param) => ({ name: param.name, value: given[param.name] })),
        result: { name: `${name}Result`, value: example.result },
      },
    ],
    ...(sets.length === 1 ? {} : { "x-param-sets": sets }),
    ...(method.needsSocket === true ? { "x-needs-socket": true } : {}),
  };
}

function isListed(name: string): name is ListedMethod {
  return Object.hasOwn(EXAMPLES, name);
}

/** The named schemas that the document refers to, directly or through other schemas. */
function referredSchemas(document: object): Record<string, JsonSchema> {
  const { From, ...others } = namedJsonSchemas();
  const schemas: Record<string, JsonSchema> = { From: { ...From, default: CONSUMER_DEFAULTS.from }, ...others };
  const referred = new Set<string>();
  const visit = (text: string): void => {
    for (const [, name = ""] of text.matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
      if (!referred.has(name)) {
        referred.add(name);
        visit(JSON.stringify(schemas[name]));
      }
    }
  };
  visit(JSON.stringify(document));
  return Object.fromEntries(Object.entries(schemas).filter(([name]) => referred.has(name)));
}

/**
 * The contract as an OpenRPC 1.3 document. Notifications to the client are under `x-notifications`, because OpenRPC has no
 * field for them. `rpc.discover` is not listed: OpenRPC defines it, and generators could not make a function name of it.
 *
 * @param version The server's version.
 */
export function openRpcDocument(version: string) {
  const document = {
    openrpc: "1.3.2",
    info: {
      title: "Durable Stream",
      version,
      description: "Durable, numbered messages over JSON-RPC 2.0, on WebSocket at /rpc and HTTP at POST /rpc.",
      license: { name: "MIT" },
    },
    // OpenRPC's own schema does not accept a relative URL, which would mean the server of the document.
    servers: [
      { name: "WebSocket", url: "ws://127.0.0.1:8787/rpc", summary: `Every method. ${ELSEWHERE}` },
      { name: "HTTP", url: "http://127.0.0.1:8787/rpc", summary: `POST, for what needs no socket. ${ELSEWHERE}` },
    ],
    methods: Object.keys(METHODS).filter(isListed).map(methodObject),
    "x-notifications": Object.entries(NOTIFICATIONS).map(([name, notification]) => ({
      name,
      summary: notification.description,
      description: notification.description,
      params: contentDescriptors(objectsOf(notification.params, `${pascal(name)}Notification`)),
    })),
  };
  return { ...document, components: { schemas: referredSchemas(document) } };
}
