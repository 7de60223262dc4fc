import { createRequire } from "node:module";

import { expect, it } from "vitest";

import { METHODS, openRpcDocument } from "../../rpc/index.ts";

// Not imported: its types are TypeScript sources that do not pass this project's compiler options.
const { validateOpenRPCDocument }: { validateOpenRPCDocument: (document: unknown) => unknown } = createRequire(
  import.meta.url,
)("@open-rpc/schema-utils-js");

// In Node.js because the validator compiles its schemas to functions, which workerd refuses.
it("describes the contract as a valid OpenRPC document, from which nothing is lost as JSON", () => {
  const document = openRpcDocument("1.2.3");
  const sent = JSON.parse(JSON.stringify(document));

  expect(validateOpenRPCDocument(sent)).toBe(true);
  expect(sent).toEqual(document);
  expect(document.methods.map(({ name }) => name)).toEqual(Object.keys(METHODS));
});

it("is told by the validator what is not valid", () => {
  const document = { ...openRpcDocument("1.2.3"), methods: [{ name: "no params" }] };

  expect(validateOpenRPCDocument(JSON.parse(JSON.stringify(document)))).not.toBe(true);
});
