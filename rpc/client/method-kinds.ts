import type { METHODS, MethodName } from "../methods.ts";

import type { CallKind } from "./open-call.ts";

/** The methods that belong to one socket, which the client replaces by itself: a subscription has them. */
export type SocketMethod = {
  [M in MethodName]: (typeof METHODS)[M] extends { readonly needsSocket: true } ? M : never;
}[MethodName];

/** The methods that may be called at any time, on whatever socket there is. */
export type CallableMethod = Exclude<MethodName, SocketMethod>;

type KindOf<M extends MethodName> = (typeof METHODS)[M] extends { readonly reads: true } ? "reads" : "changes";

/**
 * What a lost connection means for a call of each method. It repeats names and `reads` of the contract's table, held
 * to it by the compiler, so that the table's schemas do not come along into every browser.
 */
export const METHOD_KINDS = {
  getServerInfo: "reads",
  "rpc.discover": "reads",
  publish: "changes",
  publishBatch: "changes",
  getMessages: "reads",
  deleteMessages: "changes",
  getStreamInfo: "reads",
  configureStream: "changes",
  deleteStream: "changes",
  getState: "reads",
  putState: "changes",
  checkpoint: "changes",
  createConsumer: "changes",
  updateConsumer: "changes",
  getConsumer: "reads",
  listConsumers: "reads",
  deleteConsumer: "changes",
  pauseConsumer: "changes",
  seekConsumer: "changes",
  fetchMessages: "changes",
  ackMessages: "changes",
  getDeadLetters: "reads",
  retryDeadLetters: "changes",
  deleteDeadLetters: "changes",
  headObject: "reads",
  getObject: "reads",
  putObject: "changes",
  deleteObject: "changes",
  listObjects: "reads",
  createUpload: "changes",
  uploadPart: "changes",
  completeUpload: "changes",
  abortUpload: "changes",
} as const satisfies { readonly [M in CallableMethod]: KindOf<M> };

/** The kind of a method; a method that is not known here may change something. */
export function kindOf(method: string): CallKind {
  return isCallable(method) ? METHOD_KINDS[method] : "changes";
}

/** Tells whether a name is that of a method that may be called at any time. */
export function isCallable(method: string): method is CallableMethod {
  return Object.hasOwn(METHOD_KINDS, method);
}
