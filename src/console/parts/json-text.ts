/** What a text of JSON says, or where it is none. */
export function parseJson(text: string): { readonly value: unknown } | { readonly fault: string } {
  try {
    const value: unknown = JSON.parse(text);
    return { value };
  } catch (error) {
    return { fault: error instanceof Error ? `This is no JSON: ${error.message}` : "This is no JSON." };
  }
}
