import type { CallableMethod } from "./method-traits.ts";
import type { MethodParams, MethodResult } from "./methods.ts";

type Params<M extends CallableMethod> = MethodParams<M>;
type Result<M extends CallableMethod> = Promise<MethodResult<M>>;

/**
 * Every method of the contract that needs no socket, as a client and a service binding have it. It is written out rather
 * than mapped from the table, because an editor shows what stands beside a name: of a name that a type maps, TypeScript 7
 * shows nothing. The compiler holds the names to the table, and a test what is written to the schemas.
 *
 * Any method may also fail with InvalidParams (`issues`), Busy, Unavailable (nothing was done) and InternalError.
 *
 * @typeParam Rest What follows the params: options of a call, for a client.
 */
export interface ContractMethods<Rest extends readonly unknown[] = []> {
  /**
   * Name, version and limits of the server, and its time in milliseconds since the epoch. On a socket, `connection` says
   * which gateway holds it.
   */
  getServerInfo(params?: Params<"getServerInfo">, ...rest: Rest): Result<"getServerInfo">;

  /** The contract as an OpenRPC 1.3 document: every method with its params, result and errors as JSON Schemas. */
  "rpc.discover"(params?: Params<"rpc.discover">, ...rest: Rest): Result<"rpc.discover">;

  /**
   * Stores one message at the end of a stream, which is made if there is none. Once it resolves, the message is on disk.
   *
   * - `stream`: 1 to 128 of `[A-Za-z0-9._-]`, not starting with a dot.
   * - `data`: any JSON value. The whole message is at most 262,144 bytes of JSON text.
   * - `subject`: a routing key for filters, like `orders.eu.created`: up to 16 tokens and 256 characters.
   * - `headers`: up to 32 pairs of strings, 4,096 characters in all.
   * - `id`: 1 to 128 characters. The same id is stored once within the stream's `duplicateWindowMs` (120,000 unless
   *   configured); a repetition tells where, with `duplicate`.
   * - `producer`: `{ id, sequence, epoch? }`, instead of an `id`: `sequence` counts this producer's messages in the stream
   *   from 1. The next one is stored, one that is stored already is a `duplicate`, one further on is Conflict. A higher
   *   `epoch` takes the producer over and starts at 1 again. The client gives one to each publish that has neither.
   * - `expect.lastSequence`: stores only if this is the stream's last sequence; 0 for an empty one.
   * - `epoch`: the life of the stream that is meant; any unless given.
   *
   * @throws Conflict (`lastSequence`) when `expect` does not hold, and (`producer`) when it is not the producer's turn;
   * EpochChanged or NotFound when `epoch` is over;
   * TooLarge; LimitReached and StorageFull when there is no room; RateLimited (`retryAfterMs`) for too many ids;
   * OutcomeUnknown when it may be stored: safe to repeat with the same `producer` or `id`.
   * @example
   * ```ts
   * const { sequence } = await client.publish({ stream: "orders", data: { item: "tea" }, subject: "orders.eu" });
   * ```
   */
  publish(params: Params<"publish">, ...rest: Rest): Result<"publish">;

  /**
   * Stores several messages one after the other, all or none.
   *
   * - `stream`: the stream's name; it is made if there is none.
   * - `messages`: 1 to 500 of `{ data, subject?, headers? }`, each at most 262,144 bytes of JSON text.
   * - `id`: one for all of them; see `publish`, as for `expect` and `epoch`.
   * - `producer`: `sequence` is that of the first message. Of a batch that was stored in part, the rest is stored, and
   *   `ranges` says where each part is.
   *
   * @throws Conflict, EpochChanged, NotFound, TooLarge, LimitReached, StorageFull, RateLimited and OutcomeUnknown, as
   * `publish` does.
   * @example
   * ```ts
   * const { firstSequence, lastSequence } = await client.publishBatch({
   *   stream: "orders",
   *   messages: [{ data: { item: "tea" } }, { data: { item: "milk" } }],
   * });
   * ```
   */
  publishBatch(params: Params<"publishBatch">, ...rest: Rest): Result<"publishBatch">;

  /**
   * Reads a page of a stream, in order. `nextSequence` is where the next page begins: beyond `lastSequence`, this was the
   * last one. `skipped` says which sequences were asked for and are deleted.
   *
   * - `stream`: the stream's name.
   * - `from`: `"first"` (the default), `"new"`, `{ sequence }`, at most one past the last, `{ time }` in milliseconds since
   *   the epoch, or `{ last: n }`.
   * - `filter`: only messages of these subjects: `*` is one token, a last `>` one or more.
   * - `limit`: at most so many messages, 1 to 500 (the default), and at most 1 MiB of them.
   * - `epoch`: the life of the stream that is meant; any unless given.
   *
   * @throws NotFound when there is no such stream; Conflict (`lastSequence`, `previousPublishedAt`) when it does not have
   * the position; EpochChanged when `epoch` is over.
   * @example
   * ```ts
   * let page = await client.getMessages({ stream: "orders" });
   * while (page.nextSequence <= page.lastSequence) {
   *   const { nextSequence: sequence, epoch } = page;
   *   page = await client.getMessages({ stream: "orders", from: { sequence }, epoch });
   * }
   * ```
   */
  getMessages(params: Params<"getMessages">, ...rest: Rest): Result<"getMessages">;

  /**
   * Deletes messages. Their sequences are never used again; what is deleted already, or never was, is no error.
   *
   * - `stream`: the stream's name.
   * - `through`: everything up to and with this sequence, or else
   * - `sequences`: 1 to 500 single messages.
   * - `epoch`: the life of the stream that the sequences are of; any unless given.
   *
   * @throws NotFound when there is no such stream; EpochChanged when `epoch` is over; OutcomeUnknown.
   */
  deleteMessages(params: Params<"deleteMessages">, ...rest: Rest): Result<"deleteMessages">;

  /**
   * Tells where a producer is in a stream, so that one that starts again knows how to go on: its next sequence is
   * `producer.sequence + 1`. Of one that is not known, epoch and sequence are 0.
   *
   * - `stream`: the stream's name; one that was never used has no producers.
   * - `producer`: the producer's id, 1 to 64 characters.
   * - `epoch`: the life of the stream that is meant; any unless given.
   *
   * @throws NotFound and EpochChanged when `epoch` is over.
   * @example
   * ```ts
   * const { producer } = await client.getProducer({ stream: "orders", producer: "shop-7" });
   * const next = { ...producer, sequence: producer.sequence + 1 };
   * await client.publish({ stream: "orders", data: { item: "tea" }, producer: next });
   * ```
   */
  getProducer(params: Params<"getProducer">, ...rest: Rest): Result<"getProducer">;

  /**
   * The producers that a stream knows, in the order of their ids, with when each last stored a message.
   *
   * - `stream`: the stream's name.
   * - `after`: only those after this id: the last of the page before, while `more` is true.
   * - `limit`: at most so many, 1 to 500 (the default).
   * - `epoch`: the life of the stream that is meant; any unless given.
   *
   * @throws NotFound when there is no such stream; EpochChanged when `epoch` is over.
   */
  listProducers(params: Params<"listProducers">, ...rest: Rest): Result<"listProducers">;

  /**
   * What is known of a stream: epoch, config, first and last sequence, messages and bytes. Looking creates nothing.
   *
   * - `stream`: the stream's name.
   *
   * @throws NotFound when there is no such stream.
   */
  getStreamInfo(params: Params<"getStreamInfo">, ...rest: Rest): Result<"getStreamInfo">;

  /**
   * Sets what a stream keeps, and makes it if there is none. Fields left out stay as they are, `null` puts one back to
   * its default. Resolves to the whole config.
   *
   * - `stream`: the stream's name.
   * - `maxAgeMs`: drops older messages, 1 to 315,360,000,000 (ten years); no bound by default.
   * - `maxMessages`: most messages kept; no bound by default.
   * - `maxBytes`: most bytes kept, up to 9,000,000,000; by default what the server allows.
   * - `discard`: at `maxMessages` or `maxBytes`, `"old"` (the default) drops the oldest, `"new"` refuses publishes with
   *   LimitReached.
   * - `duplicateWindowMs`: how long a publish id is remembered, 100 to 86,400,000; 120,000 by default.
   * - `producerWindowMs`: how long a producer is remembered after its last message, 1,000 to 31,536,000,000 (365 days);
   *   604,800,000 (7 days) by default.
   *
   * @throws OutcomeUnknown: safe to repeat.
   */
  configureStream(params: Params<"configureStream">, ...rest: Rest): Result<"configureStream">;

  /**
   * Deletes a stream with its messages, state and consumers. Made again, it has another epoch and starts at sequence 1.
   * `deleted` is false when there was none.
   *
   * - `stream`: the stream's name.
   * - `epoch`: only this life of it, which makes the call safe to repeat.
   *
   * @throws EpochChanged when it is another life by now; OutcomeUnknown.
   */
  deleteStream(params: Params<"deleteStream">, ...rest: Rest): Result<"deleteStream">;

  /**
   * The state document of a stream and its `revision`: `null` at revision 0 before the first put.
   *
   * - `stream`: the stream's name. One that there is not has no `epoch`, and is not made.
   */
  getState(params: Params<"getState">, ...rest: Rest): Result<"getState">;

  /**
   * Replaces the state document of a stream, which is made if there is none, if the document has the revision expected.
   *
   * - `stream`: the stream's name.
   * - `state`: any JSON value of at most 262,144 bytes.
   * - `expectedRevision`: that of the document which is replaced, 0 before the first put; any unless given.
   * - `epoch`: the life of the stream that the revision is of; any unless given.
   *
   * @throws Conflict (`revision`, that of the document now); EpochChanged or NotFound when `epoch` is over; TooLarge;
   * OutcomeUnknown.
   * @example
   * ```ts
   * const { state, revision } = await client.getState({ stream: "totals" });
   * await client.putState({ stream: "totals", state: added(state), expectedRevision: revision });
   * ```
   */
  putState(params: Params<"putState">, ...rest: Rest): Result<"putState">;

  /**
   * Replaces the state document and deletes the messages that it covers, in one transaction.
   *
   * - `stream`: the stream's name.
   * - `state`: any JSON value of at most 262,144 bytes; what is larger goes in an object, and its key and etag here.
   * - `through`: this message and all before it are deleted; 0 deletes none.
   * - `expectedRevision`: that of the document which is replaced, 0 before the first put; any unless given.
   * - `epoch`: the life of the stream that `through` is of; any unless given.
   *
   * @throws Conflict: `revision` when the document is another; `firstSequence` when messages behind `through` are deleted
   * already; `lastSequence` when `through` is beyond it. EpochChanged or NotFound when `epoch` is over; TooLarge;
   * OutcomeUnknown: repeat the same call with `expectedRevision`.
   */
  checkpoint(params: Params<"checkpoint">, ...rest: Rest): Result<"checkpoint">;

  /**
   * Makes a durable cursor that clients share, and its stream if there is none. Messages are acked one by one; what is not
   * acked in time comes again, and at last goes to the dead letters. The same call again is fine, and `updateConsumer`
   * changes it.
   *
   * - `stream`: the stream's name.
   * - `consumer`: 1 to 64 of `[A-Za-z0-9_-]`.
   * - `from`: where it starts: `"first"` (the default), `"new"`, `{ sequence }`, `{ time }` or `{ last: n }`.
   * - `filter`: only messages of these subjects: `*` is one token, a last `>` one or more.
   * - `ackWaitMs`: a message not acked for so long comes again, 100 to 3,600,000; 30,000 unless given.
   * - `maxDeliver`: how often a message is delivered before it is a dead letter, 1 to 100; 5 unless given.
   * - `maxInFlight`: most messages delivered and not acked, 1 to 10,000; 1,000 unless given, 1 for strict order.
   * - `backoffMs`: waits before the second delivery, the third and so on, up to 16 of 0 to 86,400,000, the last of which
   *   repeats; 1,000, 5,000, 30,000 and 120,000 unless given.
   * - `epoch`: the life of the stream that is meant; any unless given.
   *
   * @throws Conflict when it was made with other options (`what`), or the stream does not have the position
   * (`lastSequence`, `previousPublishedAt`); EpochChanged or NotFound when `epoch` is over;
   * LimitReached beyond 100 consumers of a stream; OutcomeUnknown.
   * @example
   * ```ts
   * await client.createConsumer({ stream: "orders", consumer: "packers", filter: "orders.eu.>", maxDeliver: 3 });
   * for await (const order of client.subscribe({ stream: "orders", consumer: "packers" })) {
   *   await pack(order.data);
   * }
   * ```
   */
  createConsumer(params: Params<"createConsumer">, ...rest: Rest): Result<"createConsumer">;

  /**
   * Changes what a consumer is, but for where it started, and keeps its place. Fields left out stay as they are, `null`
   * puts one back to its default. Resolves to how the consumer stands.
   *
   * - `stream`, `consumer`: their names.
   * - `filter`: counts from the next new message on; `seekConsumer` goes back for what was passed over.
   * - `ackWaitMs`: counts from the next delivery on, 100 to 3,600,000.
   * - `maxDeliver`: what waits and was delivered as often already is a dead letter at once, 1 to 100.
   * - `maxInFlight`: nothing more goes out until there is less in flight, 1 to 10,000.
   * - `backoffMs`: counts from the next delivery that fails, up to 16 waits of 0 to 86,400,000.
   *
   * @throws NotFound; OutcomeUnknown: safe to repeat.
   * @example
   * ```ts
   * await client.updateConsumer({ stream: "orders", consumer: "packers", maxInFlight: 50, filter: null });
   * ```
   */
  updateConsumer(params: Params<"updateConsumer">, ...rest: Rest): Result<"updateConsumer">;

  /**
   * How a consumer stands: config, ack floor, messages pending and in flight, dead letters.
   *
   * - `stream`, `consumer`: their names.
   *
   * @throws NotFound.
   */
  getConsumer(params: Params<"getConsumer">, ...rest: Rest): Result<"getConsumer">;

  /**
   * How every consumer of a stream stands; there are at most 100.
   *
   * - `stream`: the stream's name.
   *
   * @throws NotFound when there is no such stream.
   */
  listConsumers(params: Params<"listConsumers">, ...rest: Rest): Result<"listConsumers">;

  /**
   * Deletes a consumer with its dead letters, ends its subscriptions, and tells how it stood. The messages stay.
   *
   * - `stream`, `consumer`: their names.
   *
   * @throws NotFound; OutcomeUnknown.
   */
  deleteConsumer(params: Params<"deleteConsumer">, ...rest: Rest): Result<"deleteConsumer">;

  /**
   * Stops the deliveries of a consumer, or lets them go on. Acks still count while it is paused.
   *
   * - `stream`, `consumer`: their names.
   * - `paused`: true stops it.
   *
   * @throws NotFound; OutcomeUnknown: safe to repeat.
   */
  pauseConsumer(params: Params<"pauseConsumer">, ...rest: Rest): Result<"pauseConsumer">;

  /**
   * Starts a consumer over from another place: what is not acked is forgotten, and everything from there on is new.
   *
   * - `stream`, `consumer`: their names.
   * - `from`: `"first"`, `"new"`, `{ sequence }`, `{ time }` or `{ last: n }`.
   * - `epoch`: the life of the stream that `from` is of; any unless given.
   *
   * @throws NotFound; Conflict (`lastSequence`, `previousPublishedAt`) when the stream does not have the position;
   * EpochChanged when `epoch` is over; OutcomeUnknown.
   */
  seekConsumer(params: Params<"seekConsumer">, ...rest: Rest): Result<"seekConsumer">;

  /**
   * Takes messages of a consumer without a socket, none when it has none to deliver now. They are in flight, for nobody
   * else, until `ackMessages` with this `lease` or for the consumer's `ackWaitMs`.
   *
   * - `stream`, `consumer`: their names.
   * - `limit`: at most so many, 1 to 500; 100 unless given.
   *
   * @throws NotFound; LimitReached beyond 1,000 leases that hold messages; OutcomeUnknown: what was taken comes again
   * after `ackWaitMs`.
   * @example
   * ```ts
   * const at = { stream: "orders", consumer: "packers" };
   * const { lease, messages } = await client.fetchMessages({ ...at, limit: 10 });
   * if (messages.length > 0) {
   *   await client.ackMessages({ ...at, lease, sequences: messages.map(({ sequence }) => sequence) });
   * }
   * ```
   */
  fetchMessages(params: Params<"fetchMessages">, ...rest: Rest): Result<"fetchMessages">;

  /**
   * Says what became of messages that `fetchMessages` gave. Safe to repeat.
   *
   * - `stream`, `consumer`: their names.
   * - `lease`: as `fetchMessages` gave it.
   * - `sequences`: 1 to 10,000 messages of that lease.
   * - `outcome`: `"ack"` (the default), done; `"nak"`, to be delivered again; `"term"`, a dead letter at once.
   * - `delayMs`: of a nak, the wait before the next delivery, 0 to 86,400,000; the consumer's backoff unless given.
   *
   * @throws NotFound when the consumer or the lease is not there; OutcomeUnknown.
   */
  ackMessages(params: Params<"ackMessages">, ...rest: Rest): Result<"ackMessages">;

  /**
   * The dead letters of a consumer, in order: messages that it does not deliver any more. They are still in the stream,
   * until it drops them.
   *
   * - `stream`, `consumer`: their names.
   * - `from`: the first sequence to look at; 1 unless given.
   * - `limit`: at most so many, 1 to 500 (the default).
   * - `epoch`: the life of the stream that `from` is of; any unless given.
   *
   * @throws NotFound; EpochChanged when `epoch` is over.
   */
  getDeadLetters(params: Params<"getDeadLetters">, ...rest: Rest): Result<"getDeadLetters">;

  /**
   * Delivers dead letters again, as if for the first time, those that the stream still has. `count` says how many.
   *
   * - `stream`, `consumer`: their names.
   * - `sequences`: 1 to 10,000 of them; all unless given.
   * - `epoch`: the life of the stream that they are of; any unless given.
   *
   * @throws NotFound; EpochChanged when `epoch` is over; OutcomeUnknown.
   */
  retryDeadLetters(params: Params<"retryDeadLetters">, ...rest: Rest): Result<"retryDeadLetters">;

  /**
   * Forgets dead letters. The messages of the stream stay. `count` says how many.
   *
   * - `stream`, `consumer`: their names.
   * - `sequences`: 1 to 10,000 of them; all unless given.
   * - `epoch`: the life of the stream that they are of; any unless given.
   *
   * @throws NotFound; EpochChanged when `epoch` is over; OutcomeUnknown.
   */
  deleteDeadLetters(params: Params<"deleteDeadLetters">, ...rest: Rest): Result<"deleteDeadLetters">;

  /**
   * What is known of an object, without its body: size in bytes, etag, media type, metadata.
   *
   * - `key`: the object's key.
   *
   * @throws NotFound when there is none.
   */
  headObject(params: Params<"headObject">, ...rest: Rest): Result<"headObject">;

  /**
   * Reads an object, or a range of it, in one call. Of a client, `objects.get` reads one of any size, as a stream.
   *
   * - `key`: the object's key.
   * - `range`: `{ offset, length }` in bytes, cut at the object's end; at most 768,000.
   * - `encoding`: how `data` is wanted, `"utf8"` or `"base64"`; unless given, as text where it is text.
   *
   * @throws NotFound; TooLarge (`use`) for a body of more than 768,000 bytes, or one that does not fit a frame as text.
   */
  getObject(params: Params<"getObject">, ...rest: Rest): Result<"getObject">;

  /**
   * Stores an object in one call, as a whole or not at all. Of a client, `objects.put` stores one of any size.
   *
   * - `key`: 1 to 1,024 bytes of UTF-8 without control characters, in which no segment between slashes is empty, `.` or
   *   `..`.
   * - `data`: the body, at most 768,000 bytes once decoded.
   * - `encoding`: what `data` is, `"utf8"` (the default) or `"base64"`.
   * - `contentType`: the media type; `application/octet-stream` unless given.
   * - `metadata`: strings by names of `[a-z0-9_-]`, 4,096 bytes in all.
   * - `sha256`: 64 hexadecimal digits; nothing is stored unless it is that of the body.
   * - `ifMatch`: only if the object has this etag; `"*"`, if there is one.
   * - `ifNoneMatch`: only if it has another etag; `"*"`, if there is none.
   *
   * @throws Conflict (`exists`, `etag`) when a condition does not hold; TooLarge (`use`); RateLimited (`retryAfterMs`) for
   * more than about one put of a key in a second; OutcomeUnknown.
   */
  putObject(params: Params<"putObject">, ...rest: Rest): Result<"putObject">;

  /**
   * Deletes objects. One that does not exist is no error.
   *
   * - `key`: one key, or else
   * - `keys`: 1 to 1,000 of them.
   *
   * @throws RateLimited (`retryAfterMs`); OutcomeUnknown: safe to repeat.
   */
  deleteObject(params: Params<"deleteObject">, ...rest: Rest): Result<"deleteObject">;

  /**
   * A page of the objects, in the order of their keys. `cursor` is for the next page, and absent on the last.
   *
   * - `prefix`: only keys that begin so.
   * - `delimiter`: sums up keys that have it after the prefix in `prefixes`; with `"/"`, a folder at a time.
   * - `cursor`: as the page before gave it.
   * - `limit`: at most so many objects and prefixes, 1 to 1,000; 100 unless given. There may be fewer though more follow.
   */
  listObjects(params?: Params<"listObjects">, ...rest: Rest): Result<"listObjects">;

  /**
   * Begins an object that is too large for one call: the bytes come by `uploadPart`, and nothing is seen of it before
   * `completeUpload`. One that is not completed is dropped at `expiresAt`, 7 days later. `objects.put` of a client does all
   * of it.
   *
   * - `key`, `contentType`, `metadata`: as `putObject` has them.
   *
   * @throws OutcomeUnknown: begin another one.
   */
  createUpload(params: Params<"createUpload">, ...rest: Rest): Result<"createUpload">;

  /**
   * Stores one part of an upload, in any order; the same number again replaces it.
   *
   * - `key`, `uploadId`: as `createUpload` gave them.
   * - `partNumber`: its place, 1 to 1,000.
   * - `data`: at most 768,000 bytes once decoded.
   * - `encoding`: what `data` is, `"utf8"` (the default) or `"base64"`.
   * - `sha256`: 64 hexadecimal digits; nothing is stored unless it is that of the part.
   *
   * @throws NotFound when there is no such upload; Conflict while it is being completed; TooLarge (`use`);
   * OutcomeUnknown: safe to repeat.
   */
  uploadPart(params: Params<"uploadPart">, ...rest: Rest): Result<"uploadPart">;

  /**
   * Makes the object of an upload of its parts, if the conditions hold. It takes as long as storing it takes; when the
   * answer is lost, the same call again gets the same object.
   *
   * - `key`, `uploadId`: as `createUpload` gave them.
   * - `parts`: 1 to 1,000 of `{ partNumber, etag }` as `uploadPart` gave them, in the order of their numbers.
   * - `sha256`: nothing is stored unless it is that of the whole.
   * - `ifMatch`, `ifNoneMatch`: as `putObject` has them.
   *
   * @throws NotFound (`what`: `upload` or `part`); Conflict when a condition does not hold or a part is another by now;
   * RateLimited (`retryAfterMs`); OutcomeUnknown: safe to repeat.
   */
  completeUpload(params: Params<"completeUpload">, ...rest: Rest): Result<"completeUpload">;

  /**
   * Drops an upload and its parts.
   *
   * - `key`, `uploadId`: as `createUpload` gave them.
   *
   * @throws NotFound when there is no such upload; Conflict while it is being completed; OutcomeUnknown.
   */
  abortUpload(params: Params<"abortUpload">, ...rest: Rest): Result<"abortUpload">;
}
