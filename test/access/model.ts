/** What rights allow, written for itself: plain loops over tokens, and tables by hand. */
import type { MethodName, Right } from "../../rpc/index.ts";
import type { DecidedParams } from "../../src/access/decide.ts";

/** The group of each method; of one that needs no right, none. */
const GROUPS: { readonly [M in MethodName]: string | undefined } = {
  getServerInfo: undefined,
  "rpc.discover": undefined,
  unsubscribe: undefined,
  ack: undefined,
  nak: undefined,
  term: undefined,
  working: undefined,
  authenticate: undefined,
  publish: "publish",
  publishBatch: "publish",
  getProducer: "publish",
  getMessages: "read",
  listProducers: "read",
  getStreamInfo: "read",
  listStreams: "read",
  getState: "read",
  subscribe: "read",
  putState: "state",
  checkpoint: "state",
  getConsumer: "consume",
  listConsumers: "consume",
  fetchMessages: "consume",
  ackMessages: "consume",
  deleteMessages: "manage",
  configureStream: "manage",
  deleteStream: "manage",
  createConsumer: "manage",
  updateConsumer: "manage",
  deleteConsumer: "manage",
  pauseConsumer: "manage",
  seekConsumer: "manage",
  getDeadLetters: "manage",
  retryDeadLetters: "manage",
  deleteDeadLetters: "manage",
  headObject: "objects.read",
  getObject: "objects.read",
  listObjects: "objects.read",
  createObjectUrl: "objects.read",
  putObject: "objects.write",
  deleteObject: "objects.write",
  createUpload: "objects.write",
  uploadPart: "objects.write",
  completeUpload: "objects.write",
  abortUpload: "objects.write",
  // Of none: only its own name permits it.
  issueToken: "",
};

/** The tokens that filters and subjects of the test are made of, and one that no filter names. */
export const TOKENS = ["a", "b", "c"] as const;
const SUBJECTS = subjectsOf([...TOKENS, "z"], 4);

/** Whether one of the rights allows the call. */
export function modelAllows(rights: readonly Right[], method: MethodName, params: DecidedParams): boolean {
  const group = method === "subscribe" && params.consumer !== undefined ? "consume" : GROUPS[method];
  if (group === undefined) {
    return true;
  }
  for (const right of rights) {
    let isNamed = false;
    for (const action of right.actions) {
      isNamed ||= action === group || action === method;
    }
    if (isNamed && isReached(right, group, params) && isWithinSubjects(right.subjects, method, params)) {
      return true;
    }
  }
  return false;
}

function isReached(right: Right, group: string, params: DecidedParams): boolean {
  if (group === "") {
    return true;
  }
  if (!group.startsWith("objects.")) {
    if (params.stream === undefined) {
      // A list of streams, of which each is decided on by itself.
      return (right.streams ?? []).length > 0;
    }
    let isAny = false;
    for (const pattern of right.streams ?? []) {
      isAny ||= tokensMatch(pattern, params.stream);
    }
    return isAny;
  }
  const keys = params.keys ?? [params.key ?? params.prefix ?? ""];
  for (const key of keys) {
    let isAny = false;
    for (const prefix of right.objects ?? []) {
      isAny ||= key.slice(0, prefix.length) === prefix;
    }
    if (!isAny) {
      return false;
    }
  }
  return true;
}

function isWithinSubjects(subjects: Right["subjects"], method: MethodName, params: DecidedParams): boolean {
  if (subjects === undefined || ["getStreamInfo", "listStreams", "getProducer"].includes(method)) {
    return true;
  }
  if (method === "publish") {
    return isMatchedByAny(subjects, params.subject);
  }
  if (method === "publishBatch") {
    let areAll = true;
    for (const { subject } of params.messages ?? []) {
      areAll &&= isMatchedByAny(subjects, subject);
    }
    return areAll;
  }
  if (method !== "getMessages" && (method !== "subscribe" || params.consumer !== undefined)) {
    return false;
  }
  return params.filter !== undefined && params.filter !== null && isContainedInAny(subjects, params.filter);
}

function isMatchedByAny(filters: readonly string[], subject: string | undefined): boolean {
  let isAny = false;
  for (const filter of filters) {
    isAny ||= subject !== undefined && tokensMatch(filter, subject);
  }
  return isAny;
}

/** Whether one of the filters matches every subject that this one matches, of all that can tell them apart. */
function isContainedInAny(filters: readonly string[], inner: string): boolean {
  for (const filter of filters) {
    let areAll = true;
    for (const subject of SUBJECTS) {
      areAll &&= !tokensMatch(inner, subject) || tokensMatch(filter, subject);
    }
    if (areAll) {
      return true;
    }
  }
  return false;
}

function tokensMatch(filter: string, text: string): boolean {
  const wanted = filter.split(".");
  const tokens = text.split(".");
  let at = 0;
  while (at < wanted.length) {
    if (wanted[at] === ">") {
      return tokens.length > at;
    }
    if (at >= tokens.length || (wanted[at] !== "*" && wanted[at] !== tokens[at])) {
      return false;
    }
    at += 1;
  }
  return tokens.length === at;
}

function subjectsOf(tokens: readonly string[], most: number): string[] {
  let last: string[] = [...tokens];
  const all = [...last];
  for (let length = 2; length <= most; length += 1) {
    last = last.flatMap((head) => tokens.map((token) => `${head}.${token}`));
    all.push(...last);
  }
  return all;
}
