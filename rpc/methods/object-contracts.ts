import * as object from "../schemas/object.ts";
import { Done } from "../schemas/subscription.ts";

/** The contract of each method of objects, as rows of the table of all methods. */
export const OBJECT_CONTRACTS = {
  headObject: {
    params: object.ObjectParams,
    result: object.ObjectInfo,
    description: "Returns the size, etag, media type and metadata of an object, without its body.",
    errors: ["NotFound"],
  },
  getObject: {
    params: object.GetObjectParams,
    result: object.GetObjectResult,
    description: "Reads an object or a range of it. A body that does not fit one call is TooLarge.",
    errors: ["NotFound", "TooLarge"],
  },
  putObject: {
    params: object.PutObjectParams,
    result: object.ObjectInfo,
    description: "Stores an object, if the conditions hold. It replaces one with the same key.",
    errors: ["Conflict", "TooLarge", "RateLimited", "OutcomeUnknown"],
  },
  deleteObject: {
    params: object.DeleteObjectParams,
    result: Done,
    description: "Deletes one or many objects. One that does not exist is no error.",
    errors: ["RateLimited", "OutcomeUnknown"],
  },
  listObjects: {
    params: object.ListObjectsParams,
    result: object.ListObjectsResult,
    description: "Lists a page of the objects, in the order of their keys.",
    errors: [],
  },
  createObjectUrl: {
    params: object.CreateObjectUrlParams,
    result: object.CreateObjectUrlResult,
    description: "Signs a URL by which anybody may read one object for a while, by GET and HEAD only.",
    errors: [],
  },
  createUpload: {
    params: object.CreateUploadParams,
    result: object.CreateUploadResult,
    description:
      "Begins the upload of an object that is too large for one call. The object does not exist before completeUpload.",
    errors: ["OutcomeUnknown"],
  },
  uploadPart: {
    params: object.UploadPartParams,
    result: object.UploadedPart,
    description: "Stores one part of an upload, in any order. A part with the same number replaces it.",
    errors: ["NotFound", "Conflict", "TooLarge", "OutcomeUnknown"],
  },
  completeUpload: {
    params: object.CompleteUploadParams,
    result: object.ObjectInfo,
    description:
      "Stores the object made of the listed parts, if the conditions hold. It takes as long as storing the object takes.",
    errors: ["NotFound", "Conflict", "RateLimited", "OutcomeUnknown"],
  },
  abortUpload: {
    params: object.AbortUploadParams,
    result: Done,
    description: "Deletes an upload and its parts.",
    errors: ["NotFound", "Conflict", "OutcomeUnknown"],
  },
} as const;
