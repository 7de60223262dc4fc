import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import * as v from "valibot";
import { describe, expect, it } from "vitest";

import { EXAMPLES } from "../../../rpc/openrpc/examples.ts";
import { METHODS, NOTIFICATIONS, openRpcDocument } from "../../../rpc/index.ts";

const require = createRequire(import.meta.url);
const root = join(import.meta.dirname, "../../..");

// Not imported: its types are TypeScript sources that do not pass this project's compiler options.
const {
  validateOpenRPCDocument,
}: { validateOpenRPCDocument: (document: unknown) => unknown } = require("@open-rpc/schema-utils-js");
const { default: generate }: { default: (options: object) => Promise<unknown> } = require("@open-rpc/generator");

const LISTED = Object.keys(EXAMPLES) as (keyof typeof EXAMPLES)[];

/** The longest name that a part of a schema has, with room for one more level. */
const MAX_TITLE = 48;

// In Node.js because the validator compiles its schemas to functions, which workerd refuses.
it("describes the contract as a valid OpenRPC document, from which nothing is lost as JSON", () => {
  const document = openRpcDocument("1.2.3");
  const sent = JSON.parse(JSON.stringify(document));

  expect(validateOpenRPCDocument(sent)).toBe(true);
  expect(sent).toEqual(document);
  expect(document["x-notifications"].map(({ name }) => name)).toEqual(Object.keys(NOTIFICATIONS));
});

it("lists every method but the one that it comes by, whose name is reserved", () => {
  const names = openRpcDocument("1.2.3").methods.map(({ name }) => name);

  expect(names).toEqual(Object.keys(METHODS).filter((name) => name !== "rpc.discover"));
});

it("is told by the validator what is not valid", () => {
  const document = { ...openRpcDocument("1.2.3"), methods: [{ name: "no params" }] };

  expect(validateOpenRPCDocument(JSON.parse(JSON.stringify(document)))).not.toBe(true);
});

describe("for a reader and a generator", () => {
  it("has a short title on every schema and part of one, and no reference without its schema", () => {
    const { methods, components } = openRpcDocument("1.2.3");
    const schemas = [
      ...methods.flatMap(({ params, result }) => [...params.map(({ schema }) => schema), result.schema]),
      ...Object.values(components.schemas),
    ];
    const titles = schemas.flatMap(titlesOf);

    expect(titles.filter((title) => title === undefined)).toEqual([]);
    expect(titles.filter((title) => (title?.length ?? 0) > MAX_TITLE)).toEqual([]);
    const references = [...JSON.stringify(methods).matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(
      ([, name]) => name,
    );
    expect(Object.keys(components.schemas)).toEqual(expect.arrayContaining([...new Set(references)]));
  });

  it("tells defaults, and which params go together where not all do", () => {
    const { methods, components } = openRpcDocument("1.2.3");
    const of = (name: string) => methods.find((method) => method.name === name);
    const defaults = Object.fromEntries(
      (of("subscribe")?.params ?? []).map(({ name, schema }) => [name, schema.default]),
    );

    expect(defaults).toMatchObject({ maxInFlight: 256, ackWaitMs: 30_000, maxDeliver: 5, stream: undefined });
    expect(components.schemas["From"]?.default).toBe("first");
    expect(of("deleteMessages")).toMatchObject({
      description: expect.stringContaining("Takes either `stream, through, epoch?` or `stream, sequences, epoch?`."),
      "x-param-sets": [
        { required: ["stream", "through"], optional: ["epoch"] },
        { required: ["stream", "sequences"], optional: ["epoch"] },
      ],
    });
    expect(of("publish")).not.toHaveProperty("x-param-sets");
    expect(methods.filter((method) => "x-param-sets" in method).map(({ name }) => name)).toEqual([
      "deleteMessages",
      "subscribe",
      "ack",
      "deleteObject",
    ]);
  });

  it.each(LISTED)("shows a call of %s that fits, params in their places", (name) => {
    const { params, result } = EXAMPLES[name];
    const method = openRpcDocument("1.2.3").methods.find((listed) => listed.name === name);

    const places = method?.params.slice(0, Object.keys(params).length).map((param) => param.name);
    expect(v.safeParse(METHODS[name].params, params).issues).toBeUndefined();
    expect(v.safeParse(METHODS[name].result, result).issues).toBeUndefined();
    expect(new Set(places)).toEqual(new Set(Object.keys(params)));
    expect(method).toMatchObject({ summary: expect.stringMatching(/\.$/) });
  });
});

it("becomes a TypeScript client that compiles, by OpenRPC's own generator", async () => {
  const folder = await mkdtemp(join(tmpdir(), "durable-stream-client-"));
  try {
    const openrpcDocument = JSON.parse(JSON.stringify(openRpcDocument("1.2.3")));
    const components = [{ type: "client", language: "typescript", name: "durable-stream" }];
    await symlink(join(root, "node_modules"), join(folder, "node_modules"));

    await generate({ openrpcDocument, outDir: folder, components });
    const file = join(folder, "client/typescript/src/index.ts");
    const flags = ["--noEmit", "--strict", "--skipLibCheck", "--esModuleInterop", "--types", "node"];
    const target = ["--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler"];
    const tsc = [join(root, "node_modules/typescript/bin/tsc"), "--ignoreConfig", ...flags, ...target, file];
    const compiled = await promisify(execFile)(process.execPath, tsc, { cwd: folder }).then(
      () => "",
      ({ stdout }: { stdout: string }) => stdout,
    );

    expect(compiled).toBe("");
    expect(await readFile(file, "utf8")).toContain(
      "export type Publish = (stream: StreamName, data: JsonValue, subject?: Subject, headers?: Headers, " +
        "id?: PublishId, producer?: PublishProducer, expect?: Expect, epoch?: ExpectedEpoch) => Promise<PublishResult>;",
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});

type Schema = ReturnType<typeof openRpcDocument>["components"]["schemas"][string];

/** The title of a schema and of each part of it; a reference has that of what it refers to. */
function titlesOf(schema: Schema): (string | undefined)[] {
  if (schema.$ref !== undefined) {
    return [];
  }
  const { additionalProperties, propertyNames, items } = schema;
  const parts = [
    ...Object.values(schema.properties ?? {}),
    ...(schema.anyOf ?? []),
    ...(items === undefined ? [] : [items]),
    ...(typeof additionalProperties === "object" ? [additionalProperties] : []),
    ...(propertyNames === undefined ? [] : [propertyNames]),
  ];
  return [schema.title, ...parts.flatMap(titlesOf)];
}
