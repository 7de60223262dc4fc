import { DurableObject } from "cloudflare:workers";

import { CloseCode, LIMITS, RpcError, SUBPROTOCOL } from "../../rpc/index.ts";
import { ACCESS_HEADER, accessOfHeader, isRoot } from "../access/access-header.ts";
import type { Access } from "../access/access.ts";
import { socketsPerSubject } from "../access/limits.ts";
import { AlarmClock } from "../platform/scheduling/alarm-clock.ts";
import type { Published, Push } from "../internal/calls.ts";
import type { ConsumerPush, ConsumerPushReply } from "../internal/consumer-calls.ts";
import type { StreamEnd } from "../internal/epoch.ts";
import { Deadlines } from "../platform/scheduling/deadlines.ts";
import { FairTurns } from "../platform/scheduling/fair-turns.ts";
import { Gathering } from "../platform/scheduling/gathering.ts";
import { Share } from "../platform/isolate-budget.ts";
import { logError, logWarning } from "../platform/log.ts";
import { migrate } from "../platform/schema.ts";
import { streamOfPath } from "../internal/routes.ts";
import { closeMs, unansweredMs } from "../platform/settings.ts";

import { SocketAccessStore } from "./access-store.ts";
import { attachmentOf, newAttachment } from "./attachment.ts";
import { answerClose, closeQuietly, isLeaving } from "./closing.ts";
import { ConsumerRouter } from "./consumers/router.ts";
import { ConsumerSubscriptionStore } from "./consumers/store.ts";
import { Feeds, RENEW_MS } from "./streams/feeds.ts";
import { PublishBudget } from "../publishing/publish-budget.ts";
import type { PublishOutcome } from "../publishing/publish-call.ts";
import { Publishers } from "../publishing/publishers.ts";
import { MIGRATIONS } from "./schema.ts";
import { Session } from "./session.ts";
import type { SessionHost } from "./session-host.ts";
import { ClosedSockets } from "./unread/closed-sockets.ts";
import { SocketBuffers } from "./unread/socket-buffers.ts";
import { Keeper } from "./streams/keeper.ts";
import { StreamSubscriptionStore } from "./streams/store.ts";

/** The key under which the time of the next lease renewal is stored, as it must survive an eviction. */
const RENEW_AT = "renewAt";

const ALARM_RETRY_MS = 30_000;

/** A read, or a subscription until its stream is asked, takes some 60 µs. */
const READS = { atOnce: 16, eachMs: 0.06, part: 0.02 };
/** A page of a replay takes as long as it is large. */
const REPLAYS = { atOnce: 4, eachMs: 0.3, part: 0.02 };

/**
 * Holds client sockets, answers their requests and fans messages out to them. It hibernates between events: what a
 * socket needs is in its attachment or in SQLite, and is read back when the gateway wakes.
 */
export class Gateway extends DurableObject<Env> {
  /** The open sockets. One to which the server has sent a Close is not among them. */
  readonly #sessions = new Map<WebSocket, Session>();
  readonly #closed = new ClosedSockets();
  readonly #feeds: Feeds;
  readonly #alarm: AlarmClock;
  readonly #host: SessionHost;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const gateway = ctx.id.name;
    if (gateway === undefined) {
      throw new Error("a gateway is reached by its name");
    }
    migrate(ctx.storage, MIGRATIONS);
    const alarm = new AlarmClock(ctx.storage);
    const wakeBy = (atMs: number) => alarm.ensureBy(atMs, Date.now());
    const feeds = new Feeds({ env, gateway, wakeBy });
    const publishBudget = new PublishBudget(Share.ofObject(`publishes of ${gateway}`));
    // By the input gate: nothing comes to this object, sockets included, until it is done.
    const holdBack = (until: () => Promise<void>) => {
      ctx.blockConcurrencyWhile(until).catch((error: unknown) => {
        logError("a gateway could not go on", error, { gateway });
      });
    };
    const batcherHost = { env, deadlines: new Deadlines(), gathering: new Gathering(holdBack) };
    const publishers = new Publishers(batcherHost, publishBudget);
    this.#feeds = feeds;
    this.#alarm = alarm;
    this.#host = {
      env,
      gateway,
      startedAt: Date.now(),
      accessStore: new SocketAccessStore(ctx.storage.sql),
      feeds,
      store: new StreamSubscriptionStore(ctx.storage.sql),
      keeper: new Keeper(),
      reads: new FairTurns(READS),
      replays: new FairTurns(REPLAYS),
      gathering: batcherHost.gathering,
      consumerRouter: new ConsumerRouter(batcherHost),
      consumerStore: new ConsumerSubscriptionStore(ctx.storage.sql),
      publishBudget,
      frames: Share.ofObject(`frames of ${gateway}`),
      buffers: new SocketBuffers(gateway, { open: () => this.#sessions.values(), closed: this.#closed }, wakeBy),
      publish: async (stream, group) => {
        const outcomes = await publishers.publish(stream, group);
        noteLast(feeds, stream, outcomes);
        return outcomes;
      },
      wakeBy,
      closing: (ws, unreadBytes) => {
        this.#sessions.delete(ws);
        this.#closed.add(ws, unreadBytes);
        wakeBy(Date.now() + closeMs());
      },
    };
    // Answered by the runtime: a ping wakes nobody.
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
    void ctx.blockConcurrencyWhile(async () => {
      await alarm.restore();
      this.#wake();
    });
  }

  /**
   * Takes a WebSocket handshake. It is the one request that comes by fetch: a WebSocket can not cross an RPC boundary
   * (`DataCloneError: Could not serialize object of type "WebSocket"`).
   *
   * @returns Status 429 when the subject of its caller has as many sockets here as it may.
   */
  override fetch(request: Request): Response {
    const access = accessOfHeader(request.headers.get(ACCESS_HEADER));
    const headers = new Headers();
    if (!isRoot(access)) {
      headers.set(ACCESS_HEADER, "held");
    }
    const limit = socketsPerSubject(access, this.#host.env);
    if (limit !== undefined && this.#socketsOf(access) >= limit) {
      const { subject = "" } = access;
      logWarning("a socket is refused, as its subject has as many as it may", {
        gateway: this.#host.gateway,
        subject,
        limit,
      });
      return new Response(null, { status: 429, headers });
    }
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    const attachment = newAttachment(Date.now(), streamOfPath(new URL(request.url).pathname));
    this.#sessions.set(server, Session.open(this.#host, server, { attachment, access }));
    if (request.headers.get("Sec-WebSocket-Protocol") !== null) {
      headers.set("Sec-WebSocket-Protocol", SUBPROTOCOL);
    }
    return new Response(null, { status: 101, webSocket: client, headers });
  }

  /**
   * Takes a committed batch of a stream and sends it to the followers that are ready; the others read it later.
   *
   * @returns Whether anybody here follows the stream.
   */
  deliver(push: Push): boolean {
    return this.#feeds.deliver(push);
  }

  /** Ends the subscriptions to an epoch of a stream that is over. */
  streamEnded(stream: string, epoch: string, reason: StreamEnd): void {
    this.#feeds.streamEnded(stream, epoch, reason);
    this.#host.consumerRouter.streamEnded(stream, epoch, reason);
  }

  /**
   * Takes messages of consumers and sends them to their subscriptions.
   *
   * @returns What was not sent.
   */
  deliverConsumer(push: ConsumerPush): ConsumerPushReply | Promise<ConsumerPushReply> {
    // A client that is gone without a Close would go on getting its share: the alarm looks for silent ones soon.
    this.#host.wakeBy(Date.now() + LIMITS.idleCloseMs);
    return this.#host.consumerRouter.deliver(push);
  }

  /** Which of these holders are no subscription here; all of them after a crash, which takes the sockets down. */
  unknownHolders(holders: string[]): string[] | Promise<string[]> {
    return this.#host.consumerRouter.unknown(holders);
  }

  /** Ends subscriptions whose consumer is deleted. */
  consumerDeleted(holders: string[]): void {
    this.#host.consumerRouter.end(holders, "consumerDeleted");
  }

  override webSocketMessage(ws: WebSocket, frame: string | ArrayBuffer): Promise<void> | void {
    const session = this.#sessionOf(ws);
    if (session === undefined) {
      // After the server's Close nothing can be answered, so nothing is done (RFC 6455 section 1.4), but for the turns of
      // others. Frames that come after the peer's Close event were sent before it: those are taken.
      const bytes = typeof frame === "string" ? frame.length : frame.byteLength;
      this.#host.gathering.note({ gathered: 0, others: 1, bytes });
      return undefined;
    }
    const failed = (error: unknown) => {
      // The client must not wait for an answer that will not come.
      logError("a frame could not be answered", error, { gateway: this.#host.gateway });
      session.close(CloseCode.InternalError, "internal error");
    };
    try {
      return session.receive(frame)?.catch(failed);
    } catch (error) {
      return failed(error);
    }
  }

  override webSocketClose(ws: WebSocket, code: number, reason: string): void {
    answerClose(ws, code, reason);
    this.#forget(ws, !isLeaving(code));
  }

  override webSocketError(ws: WebSocket): void {
    this.#forget(ws, true);
  }

  /** Checks overdue acks, the ends of tokens, silent sockets and leases. Never throws: the runtime retries an alarm a few times only. */
  override alarm(): void {
    const nowMs = Date.now();
    this.#alarm.clear();
    try {
      for (const [ws, session] of this.#sessions) {
        this.#lookAfter(ws, session, nowMs);
      }
      this.#host.buffers.count();
      this.#dropUnanswered(nowMs);
      // Not awaited: the alarm does not fire again before its handler is done, so a stream that does not answer would
      // delay the checks of all others.
      this.ctx.waitUntil(this.#feeds.checkActive(nowMs));
      this.#renewLeases(nowMs);
    } catch (error) {
      logError("the alarm of a gateway failed", error, { gateway: this.#host.gateway });
      this.#alarm.ensureBy(nowMs + ALARM_RETRY_MS, nowMs);
    }
  }

  #socketsOf(access: Access): number {
    return [...this.#sessions.values()].filter((session) => session.isOfSubject(access)).length;
  }

  /** Closes a socket that has been silent for too long, whose token has ended, or whose client does not read; or looks for its overdue acks. */
  #lookAfter(ws: WebSocket, session: Session, nowMs: number): void {
    const pingedAt = this.ctx.getWebSocketAutoResponseTimestamp(ws)?.getTime();
    const goneAt = session.presence.goneAt(pingedAt);
    if (goneAt !== undefined && goneAt <= nowMs) {
      session.close(CloseCode.Idle, "silent for too long");
      return;
    }
    if (session.isOver) {
      session.end();
      return;
    }
    if (session.endSlowReader()) {
      return;
    }
    session.checkToken(nowMs);
    session.expire(nowMs);
    if (pingedAt !== undefined && goneAt !== undefined && session.presence.isOwing(pingedAt)) {
      // Too early to tell: look again. A client that has sent something since costs no further alarm, however long it idles.
      this.#alarm.ensureBy(goneAt, nowMs);
    }
  }

  /**
   * Drops the peers that have not answered the server's Close. The runtime can not drop one hibernating socket, only all
   * sockets of an object that is aborted: so this waits `closeMs` when no open socket is left, and else some hours, after
   * which the clients of the others connect again; less when they keep much in memory.
   */
  #dropUnanswered(nowMs: number): void {
    const sockets = this.ctx.getWebSockets();
    if (sockets.length === this.#sessions.size) {
      return;
    }
    const closedAt = sockets.flatMap((ws) => attachmentOf(ws)?.closedAt ?? []);
    const areAll = this.#sessions.size === 0;
    const keptAt = this.#closed.muchSince + this.#host.buffers.patienceMs;
    const dueAt = areAll
      ? Math.max(0, ...closedAt) + closeMs()
      : Math.min(keptAt, Math.min(...closedAt) + unansweredMs());
    if (dueAt <= nowMs) {
      this.ctx.abort("there are sockets whose peers do not answer a Close");
    }
    if (dueAt < Infinity) {
      this.#alarm.ensureBy(dueAt, nowMs);
    }
  }

  /** When it is time, renews the leases of the streams followed here and checks the consumers; sets the next time. */
  #renewLeases(nowMs: number): void {
    const { kv } = this.ctx.storage;
    let dueAt = kv.get<number>(RENEW_AT);
    const { consumerRouter } = this.#host;
    if (!this.#feeds.areFollowed && !consumerRouter.areShared) {
      kv.delete(RENEW_AT);
      return;
    }
    if (dueAt !== undefined && dueAt <= nowMs) {
      this.ctx.waitUntil(Promise.all([this.#feeds.renew(), consumerRouter.check()]));
    }
    if (dueAt === undefined || dueAt <= nowMs) {
      dueAt = nowMs + RENEW_MS;
      kv.put(RENEW_AT, dueAt);
    }
    this.#alarm.ensureBy(dueAt, nowMs);
  }

  /**
   * Restores the sockets that hibernated, and closes those that can not be; after a crash, deletes what is stored of those
   * that went down.
   */
  #wake(): void {
    const sockets = this.ctx.getWebSockets().filter((ws) => ws.readyState === WebSocket.OPEN);
    for (const ws of sockets) {
      if (this.#sessionOf(ws) === undefined) {
        this.#dismiss(ws);
      }
    }
    const alive = [...this.#sessions.values()].map((session) => session.key);
    this.#host.store.keepOnly(alive);
    this.#host.accessStore.keepOnly(alive);
    for (const { stream, epoch, holder } of this.#host.consumerStore.keepOnly(alive)) {
      this.#host.consumerRouter.release({ stream, epoch }, { holder, isLost: false });
    }
  }

  /** The session of a socket; undefined for one to which the server has sent its Close, or will. */
  #sessionOf(ws: WebSocket): Session | undefined {
    const open = this.#sessions.get(ws);
    if (open !== undefined) {
      return open;
    }
    const attachment = attachmentOf(ws);
    if (attachment === undefined || attachment.closedAt !== undefined) {
      return undefined;
    }
    const session = Session.restore(this.#host, ws, attachment);
    if (session !== undefined) {
      this.#sessions.set(ws, session);
    }
    return session;
  }

  /** Closes a socket whose attachment can not be read, or whose access is not known: its client connects again, and goes on from where it was. */
  #dismiss(ws: WebSocket): void {
    const nowMs = Date.now();
    ws.serializeAttachment({ ...newAttachment(nowMs), closedAt: nowMs });
    closeQuietly(ws, CloseCode.InternalError, "the server can not go on with this socket");
    this.#host.closing(ws, 0);
  }

  #forget(ws: WebSocket, isLost: boolean): void {
    this.#sessions.get(ws)?.closed(isLost);
    this.#sessions.delete(ws);
    if (this.#closed.forget(ws)) {
      this.#host.buffers.count();
    }
    if (this.#sessions.size === 0 && this.ctx.getWebSockets().some((other) => other !== ws)) {
      // All that is left are sockets whose peers have not answered the server's Close.
      this.#host.wakeBy(Date.now() + closeMs());
    }
  }
}

/** Tells the feeds how far a stream goes by what was published to it. */
function noteLast(feeds: Feeds, stream: string, outcomes: readonly PublishOutcome[]): void {
  let last: Published | undefined;
  for (const outcome of outcomes) {
    if (!(outcome instanceof RpcError) && outcome.lastSequence > (last?.lastSequence ?? 0)) {
      last = outcome;
    }
  }
  if (last !== undefined) {
    feeds.note(stream, last);
  }
}
