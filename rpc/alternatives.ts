/** What to use where something is too large, as an error's `data.use` says it. */
export const ALTERNATIVES = {
  /** The claim check: the message carries where its data is. */
  publish: "putObject (or PUT /r2/<key>) for the data, and publish its key: { object: { key, etag, size } }",
  getObject: "getObject with range, or GET /r2/<key>",
  /** Text grows where JSON escapes it; base64 grows by a third, whatever it is of. */
  getObjectAsText: "getObject with the encoding base64, or with range, or GET /r2/<key>",
  putObject: "createUpload, uploadPart and completeUpload, or PUT /r2/<key>",
  putStream: "putObject with the stream's size, or PUT /r2/<key>",
  frame:
    "createUpload, uploadPart and completeUpload, or PUT /r2/<key>, for what is large; " +
    "to publish it, publish its key: { object: { key, etag, size } }",
} as const;
