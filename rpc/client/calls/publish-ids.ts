/** Ids for the publishes of one client, unlike those of any other, and short: with one, a repetition is stored once. */
export class PublishIds {
  readonly #prefix = crypto.randomUUID().replaceAll("-", "").slice(0, 16);
  #last = 0;

  /** Params with an id: their own, or else the next. */
  fill(params: object): object {
    if ("id" in params && params.id !== undefined) {
      return params;
    }
    this.#last += 1;
    return { ...params, id: `${this.#prefix}-${this.#last.toString(36)}` };
  }
}
