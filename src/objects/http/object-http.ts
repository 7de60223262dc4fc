import * as v from "valibot";

import { ListObjectsParams, LIMITS, ObjectKey, RpcError } from "../../../rpc/index.ts";
import type { MethodName } from "../../../rpc/index.ts";
import type { Access } from "../../access/access.ts";
import { decide } from "../../access/decide.ts";
import type { DecidedParams } from "../../access/decide.ts";
import { withoutPrefix, withPrefix } from "../../access/prefix.ts";
import { invalidParams } from "../../errors/answered-errors.ts";
import { faultsOf } from "../../errors/params-faults.ts";
import { errorResponse } from "../../platform/error-response.ts";

import { deleteObjects, existing, headObject, listObjects, objectInfo, openObject, putObject } from "../bucket.ts";
import { invalid } from "../bytes.ts";
import { isSameVersion, putHeaders, readConditions, tagHeaders, testConditions } from "../conditions.ts";
import type { Conditions } from "../conditions.ts";
import { isAllOfNothing, readRange, resolveRange } from "../range.ts";
import type { ByteRange, Span } from "../range.ts";
import { passesInParts } from "./content-coding.ts";
import { readPutHeaders, servedHeaders } from "./content-headers.ts";
import { httpError } from "./http-error.ts";

/** The method of the contract that each method of HTTP stands for. */
const METHOD_OF: ReadonlyMap<string, MethodName> = new Map([
  ["GET", "getObject"],
  ["HEAD", "headObject"],
  ["PUT", "putObject"],
  ["POST", "putObject"],
  ["DELETE", "deleteObject"],
]);

const OK = 200;
const CREATED = 201;

/**
 * Answers `/r2/<key>`, bodies streamed both ways, and the listing at `/r2`.
 *
 * URL parsers and proxies resolve most dot segments, `%2e%2e` too, before they get here: `/r2/../x` is `/x`, no object.
 * A key with a dot segment is refused, also when it is behind an escaped slash (`..%2Fx`).
 *
 * @param caller.access Who calls: what a request stands for is allowed as its method of the contract is.
 * @param target The path, not decoded, without `/r2`, and the query.
 */
export async function answerObjects(
  request: Request,
  { env, access }: { env: Env; access: Access },
  target: { path: string; query: string },
) {
  try {
    if (target.path === "") {
      return await answerListing(request, { env, access }, target.query);
    }
    if (target.query !== "") {
      throw invalid("query", "must be left out; a ? in a key is %3F");
    }
    const said = readKey(target.path);
    const method = METHOD_OF.get(request.method);
    const { key } = method === undefined ? { key: said } : admitted(access, method, { key: said });
    return await answerObject(request, env, { key, said });
  } catch (error) {
    return httpError(error);
  }
}

/** The params of a call that the caller may make, with its prefix. @throws Forbidden. */
function admitted<P extends DecidedParams>(access: Access, method: MethodName, params: P): P {
  const { prefix } = access;
  const forbidden = decide(access, method, params);
  if (forbidden !== undefined) {
    throw forbidden;
  }
  return prefix === undefined ? params : withPrefix(prefix, method, params);
}

/**
 * Answers a request for one object that its caller may make.
 *
 * @param names.said The key as the caller says it, without its prefix.
 * @throws What {@link httpError} answers.
 */
export async function answerObject(
  request: Request,
  env: Env,
  { key, said }: { key: string; said: string },
): Promise<Response> {
  switch (request.method) {
    case "GET":
      return answerGet(request, env, key);
    case "HEAD":
      return answerHead(request, env, key);
    case "PUT":
    case "POST":
      return answerPut(request, env, { key, said });
    case "DELETE":
      return answerDelete(request, env, key);
    default:
      return methodNotAllowed("GET, HEAD, PUT, POST, DELETE");
  }
}

/** The key in a path that is not empty, percent-decoded once. @throws InvalidParams. */
export function readKey(path: string): string {
  const key = v.safeParse(ObjectKey, percentDecoded(path.slice(1)));
  if (!key.success) {
    throw invalid("key", key.issues[0].message);
  }
  return key.output;
}

function percentDecoded(encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch {
    throw invalid("key", "must be percent-encoded UTF-8");
  }
}

async function answerListing(
  request: Request,
  { env, access }: { env: Env; access: Access },
  query: string,
): Promise<Response> {
  if (request.method !== "GET") {
    return methodNotAllowed("GET");
  }
  const pairs = [...new URLSearchParams(query)].map(([name, value]): [string, unknown] =>
    name === "limit" && /^-?\d+(\.\d+)?$/.test(value) ? [name, Number(value)] : [name, value],
  );
  const given = Object.fromEntries(pairs);
  const params = v.safeParse(ListObjectsParams, given);
  if (!params.success) {
    throw invalidParams("listObjects", faultsOf(ListObjectsParams, given));
  }
  const twice = pairs.find(([name], index) => pairs.findIndex(([other]) => other === name) < index);
  if (twice !== undefined) {
    throw invalidParams("listObjects", [{ path: [twice[0]], reason: "must be given once" }]);
  }
  const { prefix } = access;
  const listed = await listObjects(env.BUCKET, admitted(access, "listObjects", params.output));
  return json(prefix === undefined ? listed : withoutPrefix(prefix, listed));
}

async function answerHead(request: Request, env: Env, key: string): Promise<Response> {
  const conditions = readConditions(request.headers);
  const object = existing(await headObject(env.BUCKET, key));
  const tested = testConditions(conditions, object);
  if (tested !== "met") {
    return unmet(tested, object);
  }
  const headers = servedHeaders(object);
  headers.set("Content-Length", String(object.size));
  return new Response(null, { headers, encodeBody: "manual" });
}

async function answerGet(request: Request, env: Env, key: string): Promise<Response> {
  const conditions = readConditions(request.headers);
  const range = readRange(request.headers.get("Range"));
  if (range === undefined) {
    return whole(env, key, conditions);
  }
  const object = await openObject(env.BUCKET, key, { range, onlyIf: tagHeaders(conditions) });
  const refused = await refusal(conditions, object);
  if (refused !== undefined) {
    return refused;
  }
  // The range is evaluated after all conditions, and ignored when If-Range does not match (RFC 9110 section 13.2.2).
  const span = resolveRange(range, object.size);
  const isForThis = isSameVersion(request.headers.get("If-Range"), object) && mayBeCut(object, { range, request });
  if (isForThis && span !== undefined && "body" in object) {
    return partial(object, span);
  }
  if ("body" in object) {
    await object.body.cancel();
  }
  if (isForThis && span === undefined) {
    return unsatisfiable(object.size);
  }
  return isForThis ? unmet(304, object) : whole(env, key, conditions);
}

/** Tells whether to answer with a part; a server may always answer with the whole (RFC 9110 section 14.2). */
function mayBeCut(object: R2Object, { range, request }: { range: ByteRange; request: Request }): boolean {
  const coding = object.httpMetadata?.contentEncoding;
  return !isAllOfNothing(range, object.size) && (coding === undefined || passesInParts(coding, request));
}

async function whole(env: Env, key: string, conditions: Conditions): Promise<Response> {
  const object = await openObject(env.BUCKET, key, { onlyIf: tagHeaders(conditions) });
  const refused = await refusal(conditions, object);
  if (refused !== undefined || !("body" in object)) {
    return refused ?? unmet(304, object);
  }
  const headers = servedHeaders(object);
  headers.set("Content-Length", String(object.size));
  // The stored body has the encoding of its Content-Encoding: `manual` keeps the runtime from encoding it again.
  return new Response(object.body, { headers, encodeBody: "manual" });
}

/** The response when a condition is not met. Dates are tested here only, because R2 compares them by other rules. */
async function refusal(conditions: Conditions, object: R2Object | R2ObjectBody): Promise<Response | undefined> {
  const tested = testConditions(conditions, object);
  if (tested === "met") {
    return undefined;
  }
  if ("body" in object) {
    await object.body.cancel();
  }
  return unmet(tested, object);
}

function partial(object: R2ObjectBody, { offset, length }: Span): Response {
  const headers = servedHeaders(object);
  headers.set("Content-Length", String(length));
  headers.set("Content-Range", `bytes ${offset}-${offset + length - 1}/${object.size}`);
  return new Response(object.body, { status: 206, headers, encodeBody: "manual" });
}

function unsatisfiable(size: number): Response {
  const error = invalid("Range", `must begin within the object's ${size} bytes`);
  return errorResponse(416, error, { "Content-Range": `bytes */${size}` });
}

function unmet(status: 304 | 412, object: R2Object): Response {
  if (status === 412) {
    const error = new RpcError("Conflict", "the object is not as expected", { exists: true, etag: object.etag });
    return errorResponse(412, error, { ETag: object.httpEtag });
  }
  const headers = servedHeaders(object);
  // These describe a body, and there is none.
  for (const name of ["Content-Type", "Content-Language", "Content-Encoding", "Content-Disposition", "Accept-Ranges"]) {
    headers.delete(name);
  }
  return new Response(null, { status: 304, headers });
}

/** @param said The key as the caller says it, without its prefix. */
async function answerPut(request: Request, env: Env, { key, said }: { key: string; said: string }): Promise<Response> {
  const length = request.headers.get("Content-Length");
  if (length === null) {
    return errorResponse(411, new RpcError("InvalidRequest", "Content-Length is needed"));
  }
  if (Number(length) > LIMITS.objectBytes) {
    const data = { what: "objectBytes", limit: LIMITS.objectBytes };
    throw new RpcError("TooLarge", "the object is too large", data);
  }
  if (request.headers.has("Content-Range")) {
    throw invalid("Content-Range", "must be left out: an object is put as a whole");
  }
  const stored = readPutHeaders(request.headers);
  const conditions = readConditions(request.headers);
  const isCreation = await creates(env.BUCKET, key, conditions);
  const options = { key, onlyIf: putHeaders(conditions), ...stored };
  const object = await putObject(env.BUCKET, options, request.body ?? "");
  return json({ ...objectInfo(object), key: said }, { status: isCreation ? CREATED : OK, ETag: object.httpEtag });
}

/** Tells whether a put creates an object: by its conditions, or else by a look at the key, because R2 does not say. */
async function creates(bucket: R2Bucket, key: string, { ifMatch, ifNoneMatch }: Conditions): Promise<boolean> {
  if (ifMatch !== undefined || ifNoneMatch === "*") {
    return ifMatch === undefined;
  }
  return (await headObject(bucket, key)) === null;
}

async function answerDelete(request: Request, env: Env, key: string): Promise<Response> {
  for (const name of ["If-Match", "If-None-Match", "If-Unmodified-Since"]) {
    if (request.headers.has(name)) {
      // R2 has no conditional delete, and a head before it would race with other writers.
      throw invalid(name, "must be left out: a delete can not be conditional");
    }
  }
  await deleteObjects(env.BUCKET, key);
  return new Response(null, { status: 204 });
}

function json(value: unknown, { status = OK, ...headers }: { status?: number; ETag?: string } = {}): Response {
  return Response.json(value, { status, headers: { "Cache-Control": "no-store", ...headers } });
}

/** The answer to a method that there is not. */
export function methodNotAllowed(allow: string): Response {
  return errorResponse(405, new RpcError("InvalidRequest", "no such method here"), { Allow: allow });
}
