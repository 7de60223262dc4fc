import { CloseCode, LIMITS, RpcError } from "../../rpc/index.ts";
import type { AckParams, ServerInfo, SubscribeParams, SubscribeResult } from "../../rpc/index.ts";
import { ROOT } from "../access/access.ts";
import type { Access } from "../access/access.ts";
import { decide } from "../access/decide.ts";
import { callersName } from "../access/prefix.ts";
import { answerFrame } from "../json-rpc/batch.ts";
import type { Answer } from "../json-rpc/answer.ts";
import type { CallerBounds } from "../json-rpc/batch.ts";
import { CallFlow } from "../json-rpc/call-flow.ts";
import { frameTooLarge } from "../json-rpc/server.ts";
import { utf8Bytes } from "../internal/message-text.ts";
import type { CallContext, Connection, ClientAck } from "../methods/context.ts";
import { errorText } from "../platform/error-response.ts";
import { isLargeText, turnForText } from "../platform/scheduling/pace.ts";
import { PublishOrder } from "../publishing/publish-order.ts";

import { isBound } from "./attachment.ts";
import type { Attachment, DecidedSubscription, SessionSocket } from "./attachment.ts";
import { closeQuietly, isByClient } from "./closing.ts";
import { ConsumerSubscriptions } from "./consumers/subscriptions.ts";
import { notification } from "./notification.ts";
import { Outgoing } from "./unread/outgoing.ts";
import { Presence } from "./presence.ts";
import type { SessionContext, SessionHost } from "./session-host.ts";
import { SocketAccess, TOKEN_ENDED } from "./socket-access.ts";
import { StreamSubscriptions } from "./streams/subscriptions.ts";

/** One client socket: its requests in flight and its subscriptions. */
export class Session implements Connection, SessionSocket {
  /** When its client was heard. */
  readonly presence: Presence;
  readonly #host: SessionHost;
  readonly #ws: WebSocket;
  readonly #attachment: Attachment;
  readonly #streams: StreamSubscriptions;
  readonly #consumers: ConsumerSubscriptions;
  readonly #outgoing: Outgoing;
  readonly #bounds: CallerBounds;
  readonly #order = new PublishOrder();
  readonly #access: SocketAccess;
  /** Of the frames that are not answered. */
  readonly #contexts = new Set<SessionContext>();
  #opening = 0;
  #isClosed = false;
  /** Whether something was acked since messages were last sent again. */
  #hasAcked = true;

  /** @param access What its attachment says that it is, or what it is to be from now on. */
  constructor(host: SessionHost, ws: WebSocket, { attachment, access }: { attachment: Attachment; access: Access }) {
    this.#host = host;
    this.#ws = ws;
    this.#attachment = attachment;
    this.#access = new SocketAccess(host, attachment, access);
    this.presence = new Presence(attachment);
    this.#outgoing = new Outgoing(ws, () => this.#streams.unackedBytes + this.#consumers.unackedBytes, host.buffers);
    this.#bounds = { flow: new CallFlow(host), answers: this.#outgoing };
    this.#streams = new StreamSubscriptions(host, this);
    this.#consumers = new ConsumerSubscriptions(host, this);
    // Read first: restoring one subscription may already write the attachment anew.
    const { subscriptions, consumers } = attachment;
    this.#consumers.restore(consumers);
    this.#streams.restore(subscriptions);
  }

  /** Opens the session of a new socket. */
  static open(host: SessionHost, ws: WebSocket, opened: { attachment: Attachment; access: Access }): Session {
    const session = new Session(host, ws, opened);
    session.access = opened.access;
    return session;
  }

  /**
   * The session of a socket that hibernated, with the access that it had.
   *
   * @returns Undefined when its access is not there any more: then it may do nothing.
   */
  static restore(host: SessionHost, ws: WebSocket, attachment: Attachment): Session | undefined {
    const access = isBound(attachment) ? host.accessStore.of(attachment.socket) : ROOT;
    return access === undefined ? undefined : new Session(host, ws, { attachment, access });
  }

  /** Who calls, from now on. It is written at once, so that it is never wider after a wake. */
  set access(access: Access) {
    if (this.#isClosed) {
      return;
    }
    this.#access.set(access, Date.now());
    for (const context of this.#contexts) {
      context.access = access;
      context.publishRate = this.#access.rate;
    }
    this.keep(this.#access.nextAt);
  }

  authenticate(access: Access): number {
    this.#access.expectSuccessor(access);
    this.access = access;
    this.#streams.endForbidden();
    this.#consumers.endForbidden();
    return this.#access.endsAt;
  }

  refusalOf(subscription: DecidedSubscription): RpcError | undefined {
    return decide(this.#access.current, "subscribe", subscription);
  }

  /** Whether its token has ended. */
  get isOver(): boolean {
    return this.#access.isOver;
  }

  /** Closes the socket, as its token has ended. @param refusal The answer to what came too late. */
  end(refusal?: string): void {
    if (refusal !== undefined && !this.#isClosed) {
      this.#outgoing.send(refusal);
    }
    this.close(CloseCode.Unauthenticated, TOKEN_ENDED);
  }

  /** Tells the client once that its token ends soon. Wakes the gateway for that, and when it ends. */
  checkToken(nowMs: number): void {
    const expiresAt = this.#access.takeNotice(nowMs);
    if (expiresAt !== undefined) {
      this.send(notification("tokenExpiring", { expiresAt }));
      this.keep(undefined);
    }
    const { nextAt } = this.#access;
    if (nextAt !== undefined) {
      this.#host.wakeBy(nextAt);
    }
  }

  /** Whether it is of the same subject as another access. */
  isOfSubject({ subject, prefix }: Access): boolean {
    const { current } = this.#access;
    return current.subject === subject && current.prefix === prefix;
  }

  /** What it was sent and its client has not read. */
  get outgoing(): Outgoing {
    return this.#outgoing;
  }

  get key(): string {
    return this.#attachment.socket;
  }

  /** Takes a frame from the client and answers it; at once where none of it is run. */
  receive(frame: string | ArrayBuffer): Promise<void> | undefined {
    if (this.presence.heard(Date.now())) {
      this.keep(undefined);
    }
    if (typeof frame !== "string") {
      this.close(CloseCode.UnsupportedData, "text frames only");
      return undefined;
    }
    // A UTF-16 unit is at most three bytes: most frames need no counting.
    if (frame.length * 3 > LIMITS.frameBytes && utf8Bytes(frame) > LIMITS.frameBytes) {
      this.send(errorText(null, frameTooLarge()));
      this.close(CloseCode.TooBig, "frame too big");
      return undefined;
    }
    const isLate = this.isOver;
    const context = this.#context();
    const answer = answerFrame(frame, context, this.#bounds);
    if (answer instanceof Promise || isLargeText(answer.characters)) {
      return this.#answer(answer, context, isLate);
    }
    this.#sendAnswer(answer.text, isLate);
    this.#resume();
    return undefined;
  }

  send(frame: string): void {
    if (this.isOver) {
      this.end();
    } else if (!this.endSlowReader()) {
      this.#outgoing.send(frame);
    }
  }

  /** Closes the socket when its client reads too slowly. @returns Whether it is closed. */
  endSlowReader(): boolean {
    if (!this.#isClosed && this.#outgoing.isOverrun) {
      this.#host.buffers.tellOverrun(this.#outgoing.unreadBytes, this.#access.current);
      this.close(CloseCode.SlowReader, "slow reader");
    }
    return this.#isClosed;
  }

  mayRepeat(): boolean {
    const may = this.#outgoing.isTold || this.#hasAcked;
    this.#hasAcked = false;
    return may;
  }

  keep(deadlineAt: number | undefined): void {
    this.#attachment.subscriptions = this.#streams.toStored();
    this.#attachment.consumers = this.#consumers.toStored();
    try {
      this.#ws.serializeAttachment(this.#attachment);
      this.presence.kept();
    } catch {
      // Safe: only a closed socket refuses, and its subscriptions end with it.
    }
    if (deadlineAt !== undefined) {
      this.#host.wakeBy(deadlineAt);
    }
  }

  keepSoon(): void {
    this.#host.keeper.soon(this, () => this.keep(this.#streams.deadlineAt));
  }

  pushed(): void {
    this.presence.pushed(Date.now());
    this.keepSoon();
  }

  nextSubscription(): number {
    this.#attachment.lastSubscription += 1;
    return this.#attachment.lastSubscription;
  }

  callersName(stream: string): string {
    return callersName(this.#access.current.prefix, stream);
  }

  /** Looks for overdue acks: sends again, or ends the subscription. Asks for what was refused, if that may be sent now. */
  expire(nowMs: number): void {
    this.#streams.expire(nowMs);
    this.#consumers.resume();
  }

  /** Closes the socket; its subscriptions end with it. */
  close(code: CloseCode, reason: string): void {
    if (this.#isClosed) {
      return;
    }
    const { unreadBytes } = this.#outgoing;
    closeQuietly(this.#ws, code, reason);
    this.closed(isByClient(code));
    this.#attachment.closedAt = Date.now();
    this.keep(undefined);
    this.#host.closing(this.#ws, unreadBytes);
  }

  /** The socket is closed. @param isLost Whether its client failed, rather than closed in order. */
  closed(isLost: boolean): void {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    this.#access.forget();
    this.#bounds.flow?.closed();
    this.#streams.closed();
    this.#consumers.closed(isLost);
  }

  describe(): NonNullable<ServerInfo["connection"]> {
    const { gateway, startedAt: gatewayStartedAt } = this.#host;
    return { gateway, gatewayStartedAt, connectedAt: this.#attachment.connectedAt };
  }

  async subscribe(params: SubscribeParams, context: CallContext): Promise<SubscribeResult> {
    if (this.#streams.count + this.#consumers.count + this.#opening >= LIMITS.subscriptions) {
      const limit = LIMITS.subscriptions;
      throw new RpcError("LimitReached", "too many subscriptions on this socket", { what: "subscriptions", limit });
    }
    this.#opening += 1;
    try {
      return await ("consumer" in params
        ? this.#consumers.subscribe(params, context)
        : this.#streams.subscribe(params, context));
    } finally {
      this.#opening -= 1;
    }
  }

  unsubscribe(subscription: number): void {
    const shared = this.#consumers.get(subscription);
    if (shared === undefined) {
      this.#streams.unsubscribe(subscription);
    } else {
      this.#consumers.unsubscribe(shared);
    }
  }

  async ack(params: AckParams, context: CallContext): Promise<void> {
    this.#hasAcked = true;
    this.#streams.heard();
    const { subscription } = params;
    if ("sequences" in params) {
      return this.applyAck(subscription, { kind: "ack", sequences: params.sequences }, context);
    }
    const { through } = params;
    if (this.#consumers.get(subscription) !== undefined) {
      return this.applyAck(subscription, { kind: "ackThrough", through }, context);
    }
    return this.#streams.ack(subscription, through);
  }

  async applyAck(subscription: number, command: ClientAck, context: CallContext): Promise<void> {
    const shared = this.#consumers.get(subscription);
    if (shared !== undefined) {
      return this.#consumers.applyAck(shared, command, context);
    }
    this.#streams.get(subscription);
    const issues = [{ path: "sequences", reason: "only a consumer's messages are settled one by one" }];
    throw new RpcError("InvalidParams", "the subscription is not of a consumer", { issues });
  }

  async #answer(answering: Answer | Promise<Answer>, context: SessionContext, isLate: boolean): Promise<void> {
    this.#contexts.add(context);
    const answer = await answering;
    await turnForText(answer.characters - answer.turned);
    if (answer.turned > 0) {
      // To make it and to send it are half the work each: what has come meanwhile is read between them.
      await this.#host.gathering.whenRead();
    }
    this.#contexts.delete(context);
    if (this.#access.rate?.takeCounted() === true) {
      // A sleep may come before it is paid off.
      this.keep(undefined);
    }
    this.#sendAnswer(answer.text, isLate);
    context.afterAnswer.forEach((next) => next());
    answer.clear();
    this.#resume();
  }

  /** @param isLate Whether all of it is refused, as the token has ended. */
  #sendAnswer(text: string | undefined, isLate: boolean): void {
    if (isLate) {
      this.end(text);
    } else if (text !== undefined) {
      this.send(text);
    }
  }

  /** A client that is heard may have read what was sent: goes on with what waits for that. */
  #resume(): void {
    if (this.#outgoing.takeResumed()) {
      this.#streams.resume();
      this.#consumers.resume();
    }
  }

  #context(): SessionContext {
    return {
      env: this.#host.env,
      access: this.#access.current,
      expectLive: () => this.#access.expectLive(),
      defaultStream: this.#attachment.defaultStream,
      connection: this,
      publish: this.#host.publish,
      publishRate: this.#access.rate,
      order: this.#order,
      afterAnswer: [],
    };
  }
}
