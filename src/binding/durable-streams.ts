import { WorkerEntrypoint } from "cloudflare:workers";

import { bindingMessage, CALLABLE_METHODS, LIMITS, RpcError } from "../../rpc/index.ts";
import type { BindingDelivery, BindingSubscribeResult, MethodName } from "../../rpc/index.ts";

import { ROOT } from "../access/access.ts";
import type { Access } from "../access/access.ts";
import { accessOfProps } from "../access/binding-props.ts";
import { withoutPrefix } from "../access/prefix.ts";
import { allowedParams, dispatch, paramsOf } from "../json-rpc/dispatch.ts";
import type { Caller } from "../json-rpc/dispatch.ts";
import { reportFailed } from "../json-rpc/failed-call.ts";
import { JsonText } from "../internal/json-text.ts";
import { invalid } from "../objects/bytes.ts";
import { openBody } from "../objects/object-body.ts";
import { putStream } from "../objects/upload/streamed-put.ts";
import { jsonParams } from "./json-params.ts";
import { ServiceSubscription } from "./live-subscription.ts";
import { statelessContext } from "../methods/stateless-context.ts";
import { refusalError } from "../platform/refused.ts";

/** A function of the caller, as the runtime hands it over: a stub that is called by RPC and has to be kept by `dup()`. */
type RemoteHandler = ((delivery: BindingDelivery) => Promise<void>) & Disposable & { dup(): RemoteHandler };

/**
 * The service binding: what other Workers call, typed for them as `DurableStreamsBinding`. It has every method of the
 * contract that needs no socket, with the same params, results and error codes, and a `subscribe` of its own. `ctx.props`
 * (`BindingProps`) say what a binding may do. There is no key: to have the binding is to be allowed.
 */
export class DurableStreams extends WorkerEntrypoint<Env> {
  static {
    for (const method of CALLABLE_METHODS.filter((name) => !Object.hasOwn(DurableStreams.prototype, name))) {
      // RPC calls what is on the prototype, and nothing else.
      Object.defineProperty(DurableStreams.prototype, method, {
        value(this: DurableStreams, params?: unknown) {
          return this.#answer(method, params);
        },
      });
    }
  }

  /** Follows a stream; `DurableStreamsBinding` tells what is promised and what it costs. */
  async subscribe(params: unknown, onMessages: RemoteHandler): Promise<BindingSubscribeResult> {
    return this.#guarded("subscribe", params, async (checked, access) => {
      if (typeof onMessages !== "function") {
        throw new RpcError("InvalidParams", "subscribe takes a handler", { issues: [] });
      }
      // The gateway puts the caller's prefix before the name.
      const valid = allowedParams("subscribe", checked, callerOf(access));
      // The stub of an argument is disposed of when the call returns.
      return ServiceSubscription.begin({ env: this.env, access: following(access, valid) }, valid, onMessages.dup());
    });
  }

  /** As in the contract, but `data` may be a stream; then `size` may tell its length. */
  async putObject(params: unknown): Promise<unknown> {
    const body: unknown = typeof params === "object" && params !== null && "data" in params ? params.data : undefined;
    if (!(body instanceof ReadableStream)) {
      return this.#answer("putObject", params);
    }
    try {
      return await this.#guarded("putObject", { ...Object(params), data: "" }, async (checked, access) => {
        const { size, ...rest }: { size?: unknown } = checked;
        const { data: _data, ...put } = paramsOf("putObject", rest, callerOf(access));
        return told(access, await putStream(this.env, put, { body, size: sizeOf(size) }));
      });
    } finally {
      if (!body.locked) {
        // It was refused before any of it was read.
        body.cancel().catch(() => {
          // Safe: a stream that fails when it is cancelled is over as well.
        });
      }
    }
  }

  /** As in the contract; with `encoding: "stream"` the body comes as a stream. */
  async getObject(params: unknown): Promise<unknown> {
    if (typeof params !== "object" || params === null || !("encoding" in params) || params.encoding !== "stream") {
      return this.#answer("getObject", params);
    }
    return this.#guarded("getObject", { ...params, encoding: undefined }, async (checked, access) => {
      const valid = paramsOf("getObject", checked, callerOf(access));
      const { info, object } = await openBody(this.env.BUCKET, valid);
      return { ...told(access, info), data: object.body };
    });
  }

  #answer(method: MethodName, params: unknown): Promise<unknown> {
    return this.#guarded(method, params, async (checked, access) => {
      const result = await dispatch(method, checked, statelessContext(this.env, access));
      return result instanceof JsonText ? JSON.parse(result.text) : result;
    });
  }

  /** Checks that params are JSON, tells who calls, and turns every failure into an error of the contract. */
  async #guarded<T>(
    method: MethodName,
    params: unknown,
    run: (params: object, access: Access) => Promise<T>,
  ): Promise<T> {
    try {
      const checked = jsonParams(method, params);
      return await run(checked, accessOfProps(this.ctx.props, method));
    } catch (error) {
      const { code, message, data } = reportFailed({ method, params }, error);
      throw refusalError({ code, message: bindingMessage(message, code, data), data });
    }
  }
}

function callerOf(access: Access): Caller {
  return { access, defaultStream: undefined };
}

/** The access of a socket for one subscription, which is allowed already: it is bound only for the prefix. */
function following({ prefix }: Access, { stream }: { stream: string }): Access {
  return prefix === undefined ? ROOT : { rights: [{ streams: [stream], actions: ["subscribe"] }], prefix };
}

/** A result as the caller is told it. */
function told<T>({ prefix }: Access, result: T): T {
  return prefix === undefined ? result : withoutPrefix(prefix, result);
}

function sizeOf(size: unknown): number | undefined {
  if (size === undefined) {
    return undefined;
  }
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw invalid("size", "must be a whole number of bytes");
  }
  if (size > LIMITS.objectBytes) {
    const data = { what: "objectBytes", limit: LIMITS.objectBytes };
    throw new RpcError("TooLarge", "the object is too large", data);
  }
  return size;
}
