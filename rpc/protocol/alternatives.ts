/** What to use instead of a frame that is too large. It is apart from the others, so that the client bundles it alone. */
export const FRAME_ALTERNATIVE =
  "createUpload, uploadPart and completeUpload, or PUT /r2/<key>, for what is large; " +
  "to publish it, publish its key: { object: { key, etag, size } }";

/** What to use instead when something is too large: `data.use` of TooLarge. */
export const ALTERNATIVES = {
  /** A claim check: the message refers to the object that holds its data. */
  publish: "putObject (or PUT /r2/<key>) for the data, and publish its key: { object: { key, etag, size } }",
  getObject: "getObject with range, or GET /r2/<key>",
  /** Text may grow several times when JSON escapes it, base64 always grows by a third. */
  getObjectAsText: "getObject with the encoding base64, or with range, or GET /r2/<key>",
  putObject: "createUpload, uploadPart and completeUpload, or PUT /r2/<key>",
  putStream: "putObject with the stream's size, or PUT /r2/<key>",
  frame: FRAME_ALTERNATIVE,
} as const;
