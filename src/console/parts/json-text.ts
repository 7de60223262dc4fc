import { jsonFaultOf } from "./json-fault.ts";

/** What a text of JSON says, or where it is none. */
export function parseJson(text: string): { readonly value: unknown } | { readonly fault: string } {
  try {
    const value: unknown = JSON.parse(text);
    return { value };
  } catch (error) {
    const fault = jsonFaultOf(text);
    if (fault === undefined) {
      return { fault: `This can not be read as JSON: ${error instanceof Error ? error.message : String(error)}.` };
    }
    const { line, column, expected } = fault;
    return { fault: `This is no JSON: ${expected} was expected at line ${line}, column ${column}.` };
  }
}
