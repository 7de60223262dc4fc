/** A reference to the object that holds the data of a message. */
export type ClaimCheck = { readonly object: { readonly key: string; readonly etag: string; readonly size: number } };

/** The data of a message that refers to an object. */
export function claimCheck({ key, etag, size }: ClaimCheck["object"]): ClaimCheck {
  return { object: { key, etag, size } };
}

/** Whether a message's data is a claim check, with no other fields. */
export function isClaimCheck(data: unknown): data is ClaimCheck {
  if (!isObject(data) || Object.keys(data).length !== 1 || !("object" in data) || !isObject(data.object)) {
    return false;
  }
  const { object } = data;
  return (
    Object.keys(object).length === 3 &&
    "key" in object &&
    typeof object.key === "string" &&
    "etag" in object &&
    typeof object.etag === "string" &&
    "size" in object &&
    typeof object.size === "number"
  );
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
