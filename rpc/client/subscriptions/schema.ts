/**
 * A validator, as every library that follows Standard Schema version 1 (standardschema.dev) makes them: valibot, zod, arktype
 * and others. This is the part of the interface that is used here.
 */
export type StandardSchema<Output = unknown> = {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => Validation<Output> | Promise<Validation<Output>>;
  };
};

/** What a validator says of a value: what it makes of it, or what is wrong with it. */
type Validation<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** One thing that is wrong with data. */
export type SchemaIssue = {
  /** In the words of the validator. */
  readonly message: string;
  /** Where in the data it is: the keys from the outside in. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
};

/** The error of a message whose data is not what the `schema` of its subscription asks for. */
export class SchemaError extends Error {
  override readonly name = "SchemaError";
  /** What the validator says, one at least. */
  readonly issues: readonly SchemaIssue[];

  constructor(issues: readonly SchemaIssue[]) {
    const [{ message, path = [] } = { message: "it is refused" }] = issues;
    const where = ["data", ...path.map((key) => String(typeof key === "object" ? key.key : key))];
    super(`${where.join(".")}: ${message}`);
    this.issues = issues;
  }
}

/**
 * An event whose data is what a validator makes of it; an event that has no data as it is.
 *
 * @throws SchemaError for data that the validator refuses.
 */
export async function checked<Event>(event: Event, schema: StandardSchema): Promise<Event> {
  if (typeof event !== "object" || event === null || !("data" in event)) {
    return event;
  }
  const validation = await schema["~standard"].validate(event.data);
  if (validation.issues !== undefined) {
    throw new SchemaError(validation.issues);
  }
  return { ...event, data: validation.value };
}
