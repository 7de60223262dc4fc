/** A result that is JSON text already: messages and state go to the client as they rest, never parsed on the way. */
export class JsonText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** JSON text of a result. */
export function toJson(result: unknown): string {
  return result instanceof JsonText ? result.text : JSON.stringify(result);
}
