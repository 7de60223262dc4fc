/** A result that is JSON text already: messages and state are sent as they are stored, without parsing. */
export class JsonText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** The JSON text of a result. */
export function toJson(result: unknown): string {
  return result instanceof JsonText ? result.text : JSON.stringify(result);
}
