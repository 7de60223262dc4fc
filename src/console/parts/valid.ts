import * as v from "valibot";

/** What the contract has against a value; undefined when it takes it. */
export function faultOf(schema: v.GenericSchema, value: unknown): string | undefined {
  const { issues } = v.safeParse(schema, value);
  return issues === undefined ? undefined : sentence(issues[0].message);
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
