import * as v from "valibot";

import { LIMITS } from "../protocol/limits.ts";
import { OBJECT_URL_MS } from "../protocol/protocol.ts";
import { durationMs, Time } from "./names.ts";
import { StringRecord } from "./string-record.ts";
import { upTo } from "./up-to.ts";

const UTF8 = new TextEncoder();

/** Segments of a key that a URL or a file system would remove or resolve. */
const VANISHING_SEGMENTS = new Set(["", ".", ".."]);

/**
 * The key of an object: 1 to 1,024 bytes of UTF-8 without control characters, in which no segment between slashes is
 * empty, `.` or `..`. So `a//b`, `/a` and `a/` are invalid: a proxy may merge two slashes. Over HTTP a key is percent-decoded
 * once before it is checked.
 */
export const ObjectKey = v.pipe(
  v.string(),
  v.minLength(1, "must not be empty"),
  v.check(isWellFormed, "must be well-formed Unicode"),
  v.check(
    (key) => UTF8.encode(key).byteLength <= LIMITS.objectKeyBytes,
    `must be at most ${LIMITS.objectKeyBytes} bytes of UTF-8`,
  ),
  v.check(hasNoControl, "must have no control characters"),
  v.check(
    (key) => !key.split("/").some((segment) => VANISHING_SEGMENTS.has(segment)),
    "must have no segment that is empty, . or ..",
  ),
  v.description(
    `Key of an object: 1 to ${LIMITS.objectKeyBytes} bytes of UTF-8, no control characters, ` +
      "no segment between slashes that is empty, . or ..",
  ),
);
export type ObjectKey = v.InferOutput<typeof ObjectKey>;

/**
 * Exactly one media type, whose parameters are tokens or quoted strings. A browser may read a looser value as a list, such as
 * `text/plain; a=b, text/html`, and use the last type.
 */
const MEDIA_TYPE =
  /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+(?:[ \t]*;[ \t]*[\w!#$%&'*+.^`|~-]+=(?:[\w!#$%&'*+.^`|~-]+|"(?:[\t !#-[\]-~]|\\[\t -~])*"))*$/;

/** The media type of an object (RFC 9110 section 8.3.1), at most 255 characters. */
export const ContentType = v.pipe(
  v.string(),
  v.maxLength(255),
  v.regex(MEDIA_TYPE, "must be a media type like text/plain or text/plain; charset=utf-8"),
  v.description("Media type, as in HTTP's Content-Type."),
);

/** Custom metadata. Names are lower case, because it is also sent in HTTP headers, whose names are case-insensitive. */
export const ObjectMetadata = v.pipe(
  StringRecord,
  v.record(
    v.pipe(v.string(), v.regex(/^[a-z0-9_-]{1,64}$/, "must have a name of 1 to 64 of [a-z0-9_-]")),
    v.pipe(
      v.string(),
      v.check(isWellFormed, "must be well-formed Unicode"),
      v.check(hasNoControl, "must have no control characters"),
    ),
  ),
  v.check(
    (metadata) =>
      Object.entries(metadata).reduce((sum, pair) => sum + UTF8.encode(pair.join("")).byteLength, 0) <=
      LIMITS.objectMetadataBytes,
    `must be at most ${LIMITS.objectMetadataBytes} bytes in all`,
  ),
  v.description(
    `Custom metadata: names of [a-z0-9_-], values without control characters, ` +
      `${LIMITS.objectMetadataBytes} bytes of UTF-8 in all.`,
  ),
);
export type ObjectMetadata = v.InferOutput<typeof ObjectMetadata>;

/** The SHA-256 of a body: 64 lower-case hexadecimal digits. */
export const Sha256 = v.pipe(
  v.string(),
  v.regex(/^[0-9a-f]{64}$/, "must be 64 lower-case hexadecimal digits"),
  v.description("SHA-256 in lower-case hexadecimal digits."),
);

/** The tag of one version of an object, without the quotes HTTP puts around it. */
const Etag = v.pipe(
  v.string(),
  v.regex(/^[\x21\x23-\x7e]{1,128}$/, "must be an etag, without quotes"),
  v.description("Tag of one version of an object."),
);
const ifMatch = v.optional(
  v.pipe(Etag, v.description("Only if the object has this etag; `*`: only if there is an object. Conflict otherwise.")),
);
const ifNoneMatch = v.optional(
  v.pipe(
    Etag,
    v.description("Only if the object does not have this etag; `*`: only if there is no object. Conflict otherwise."),
  ),
);

/** How bytes are encoded in a JSON string. */
export const Encoding = v.picklist(["utf8", "base64"]);
export type Encoding = v.InferOutput<typeof Encoding>;

const Bytes = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const body = {
  data: v.pipe(
    v.string(),
    v.description(`The body, at most ${LIMITS.objectBodyBytes} bytes once decoded. For more: /r2/<key>, or an upload.`),
  ),
  encoding: v.optional(v.pipe(Encoding, v.description("The encoding of `data`; `utf8` unless given."))),
  sha256: v.optional(v.pipe(Sha256, v.description("SHA-256 of the body. Nothing is stored when it does not match."))),
};

/** The size, etag, media type and metadata of an object. */
export const ObjectInfo = v.strictObject({
  key: v.pipe(v.string(), v.description("Key of the object.")),
  size: v.pipe(Bytes, v.description("Size in bytes.")),
  etag: v.pipe(v.string(), v.description("Changes when the body changes. HTTP has it in quotes.")),
  uploadedAt: Time,
  contentType: v.pipe(v.string(), v.description("`application/octet-stream` unless it was given.")),
  metadata: v.pipe(v.record(v.string(), v.string()), v.description("Custom metadata, by name.")),
  sha256: v.optional(v.pipe(Sha256, v.description("Present if it was given with the body."))),
});
export type ObjectInfo = v.InferOutput<typeof ObjectInfo>;

export const ObjectParams = v.strictObject({ key: ObjectKey });
export type ObjectParams = v.InferOutput<typeof ObjectParams>;

export const GetObjectParams = v.strictObject({
  key: ObjectKey,
  range: v.optional(
    v.pipe(
      v.strictObject({
        offset: v.pipe(Bytes, v.description("Where it begins; 0 is the first byte.")),
        length: v.pipe(Bytes, v.minValue(1), v.description("How much of it.")),
      }),
      v.description("`length` bytes from `offset` on, or fewer at the end of the object."),
    ),
  ),
  encoding: v.optional(
    v.pipe(
      Encoding,
      v.description("The encoding of `data`. Unless given: `utf8` if the bytes are valid UTF-8, `base64` otherwise."),
    ),
  ),
});
export type GetObjectParams = v.InferOutput<typeof GetObjectParams>;

export const GetObjectResult = v.strictObject({
  ...ObjectInfo.entries,
  data: v.pipe(v.string(), v.description("The body, or the range of it.")),
  encoding: v.pipe(Encoding, v.description("The encoding of `data`.")),
  range: v.optional(
    v.pipe(
      v.strictObject({
        offset: v.pipe(Bytes, v.description("Where it begins.")),
        length: v.pipe(Bytes, v.description("How much of it.")),
      }),
      v.description("The range of the object that `data` holds."),
    ),
  ),
});
export type GetObjectResult = v.InferOutput<typeof GetObjectResult>;

export const PutObjectParams = v.strictObject({
  key: ObjectKey,
  ...body,
  contentType: v.optional(ContentType),
  metadata: v.optional(ObjectMetadata),
  ifMatch,
  ifNoneMatch,
});
export type PutObjectParams = v.InferOutput<typeof PutObjectParams>;

export const DeleteObjectParams = v.union([
  v.strictObject({ key: ObjectKey }),
  v.strictObject({
    keys: v.pipe(
      v.array(ObjectKey),
      v.minLength(1),
      v.maxLength(LIMITS.pageObjects),
      v.description("Keys of objects, each as `key` is."),
    ),
  }),
]);
export type DeleteObjectParams = v.InferOutput<typeof DeleteObjectParams>;

export const ListObjectsParams = v.strictObject({
  prefix: v.optional(
    v.pipe(
      v.string(),
      v.maxLength(LIMITS.objectKeyBytes),
      v.check(isWellFormed, "must be well-formed Unicode"),
      v.description("Only keys that begin with it."),
    ),
  ),
  delimiter: v.optional(
    v.pipe(
      v.string(),
      v.minLength(1),
      v.maxLength(16),
      v.check(isWellFormed, "must be well-formed Unicode"),
      v.description(
        "Keys that contain it after the prefix are grouped in `prefixes`: with `/`, one folder level is listed.",
      ),
    ),
  ),
  cursor: v.optional(
    v.pipe(v.string(), v.minLength(1), v.maxLength(4096), v.description("`cursor` of the page before.")),
  ),
  limit: v.optional(
    v.pipe(
      upTo(LIMITS.pageObjects),
      v.description(
        "Most objects and prefixes of a page; 100 unless given. A page may have fewer although more follow.",
      ),
    ),
  ),
});
export type ListObjectsParams = v.InferOutput<typeof ListObjectsParams>;

export const ListObjectsResult = v.strictObject({
  objects: v.pipe(v.array(ObjectInfo), v.description("In the order of their keys' UTF-8 bytes.")),
  prefixes: v.pipe(v.array(v.string()), v.description("What keys begin with that are grouped by `delimiter`.")),
  cursor: v.optional(v.pipe(v.string(), v.description("For the next page; absent on the last."))),
});
export type ListObjectsResult = v.InferOutput<typeof ListObjectsResult>;

export const CreateObjectUrlParams = v.strictObject({
  key: ObjectKey,
  expiresInMs: v.optional(
    durationMs(
      OBJECT_URL_MS.least,
      OBJECT_URL_MS.most,
      "How long it lasts; 300,000 unless given, and never longer than the caller's own token.",
    ),
  ),
});
export type CreateObjectUrlParams = v.InferOutput<typeof CreateObjectUrlParams>;

export const CreateObjectUrlResult = v.strictObject({
  url: v.pipe(
    v.string(),
    v.description("`/r2/<key>?expires=…&signature=…`, to be put behind the URL that the server is reached by."),
  ),
  expiresAt: v.pipe(Time, v.description("When it ends.")),
});
export type CreateObjectUrlResult = v.InferOutput<typeof CreateObjectUrlResult>;

const UploadId = v.pipe(v.string(), v.uuid("must be an uploadId"), v.description("From createUpload."));
const PartNumber = v.pipe(upTo(LIMITS.uploadParts), v.description(`The number of a part, 1 to ${LIMITS.uploadParts}.`));

export const CreateUploadParams = v.strictObject({
  key: ObjectKey,
  contentType: v.optional(ContentType),
  metadata: v.optional(ObjectMetadata),
});
export type CreateUploadParams = v.InferOutput<typeof CreateUploadParams>;

export const CreateUploadResult = v.strictObject({
  key: v.pipe(v.string(), v.description("Key of the object.")),
  uploadId: UploadId,
  expiresAt: v.pipe(Time, v.description("When the upload is deleted, unless it was completed.")),
});
export type CreateUploadResult = v.InferOutput<typeof CreateUploadResult>;

export const UploadPartParams = v.strictObject({
  key: ObjectKey,
  uploadId: UploadId,
  partNumber: PartNumber,
  ...body,
});
export type UploadPartParams = v.InferOutput<typeof UploadPartParams>;

/** A stored part. `completeUpload` takes a list of them. */
export const UploadedPart = v.strictObject({
  partNumber: PartNumber,
  etag: v.pipe(Sha256, v.description("The part's SHA-256.")),
});
export type UploadedPart = v.InferOutput<typeof UploadedPart>;

export const CompleteUploadParams = v.strictObject({
  key: ObjectKey,
  uploadId: UploadId,
  parts: v.pipe(
    v.array(UploadedPart),
    v.minLength(1),
    v.maxLength(LIMITS.uploadParts),
    v.check(
      (parts) => parts.every((part, index) => part.partNumber > (parts[index - 1]?.partNumber ?? 0)),
      "must be in the order of their numbers, each once",
    ),
    v.description("The parts of the object, in the order of their numbers."),
  ),
  sha256: v.optional(v.pipe(Sha256, v.description("SHA-256 of the whole. Nothing is stored when it does not match."))),
  ifMatch,
  ifNoneMatch,
});
export type CompleteUploadParams = v.InferOutput<typeof CompleteUploadParams>;

export const AbortUploadParams = v.strictObject({ key: ObjectKey, uploadId: UploadId });
export type AbortUploadParams = v.InferOutput<typeof AbortUploadParams>;

function isWellFormed(text: string): boolean {
  return text.isWellFormed();
}

function hasNoControl(text: string): boolean {
  return !/\p{Cc}/u.test(text);
}
