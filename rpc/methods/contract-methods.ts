import type { CallableMethod } from "./method-traits.ts";
import type { MethodParams, MethodResult } from "./methods.ts";
import type { AnyStreams, MessagesOf, NameIn, PublishBatchTo, PublishTo } from "./typed-streams.ts";

type Params<M extends CallableMethod> = MethodParams<M>;
type Result<M extends CallableMethod> = Promise<MethodResult<M>>;

// It is written out rather than mapped from the table, because TypeScript 7 shows no docstring for a mapped name in an editor.
// The compiler checks the names against the table, and a test checks the docstrings against the schemas.
/**
 * Every method of the contract that needs no socket, as a client and a service binding have it.
 *
 * Any method may also fail with InvalidParams (`issues`), Forbidden, Busy, Unavailable (nothing was done) and
 * InternalError.
 *
 * @typeParam Rest Parameters after the params: for a client, the options of the call.
 * @typeParam Streams The names of streams with the types of their data; any unless given.
 */
export interface ContractMethods<Rest extends readonly unknown[] = [], Streams extends object = AnyStreams> {
  /**
   * Returns name, version and limits of the server, and its time in milliseconds since the Unix epoch. On a socket,
   * `connection` says which gateway holds it.
   */
  getServerInfo(params?: Params<"getServerInfo">, ...rest: Rest): Result<"getServerInfo">;

  /** Returns the contract as an OpenRPC 1.3 document: every method with its params, result and errors as JSON Schemas. */
  "rpc.discover"(params?: Params<"rpc.discover">, ...rest: Rest): Result<"rpc.discover">;

  /**
   * Stores one message at the end of a stream, which is created if there is none. Once it resolves, the message is on disk.
   *
   * - `stream`: 1 to 128 of `[A-Za-z0-9._-]`, not starting with a dot.
   * - `data`: any JSON value. The whole message is at most 262,144 bytes of JSON text.
   * - `subject`: a routing key for filters, like `orders.eu.created`: up to 16 tokens and 256 characters.
   * - `headers`: up to 32 strings by name, 4,096 characters in all.
   * - `id`: 1 to 128 characters. The same id is stored once within the stream's `duplicateWindowMs` (120,000 unless
   *   configured). A repetition returns where it was stored, with `duplicate`.
   * - `producer`: `{ id, sequence, epoch? }`, instead of an `id`: `sequence` counts this producer's messages in the stream
   *   from 1. The next one is stored, one that is stored already is a `duplicate`, one further on is Conflict. A higher
   *   `epoch` takes the producer over and starts at 1 again. The client adds one to each publish that has neither.
   * - `expect.lastSequence`: stores only if this is the stream's last sequence; 0 for an empty stream.
   * - `epoch`: the epoch of the stream that is meant; any unless given.
   *
   * @throws Conflict (`lastSequence`) when `expect` does not hold, and (`producer`) when it is not the producer's turn;
   * EpochChanged or NotFound when `epoch` has ended;
   * TooLarge; LimitReached and StorageFull when there is no room; RateLimited (`retryAfterMs`) for too many ids;
   * OutcomeUnknown when it may be stored: safe to repeat with the same `producer` or `id`.
   * @example
   * ```ts
   * const { sequence } = await client.publish({ stream: "orders", data: { item: "tea" }, subject: "orders.eu" });
   * ```
   */
  publish<S extends NameIn<Streams>>(params: PublishTo<S, Streams[S]>, ...rest: Rest): Result<"publish">;

  /**
   * Stores several messages with consecutive sequences, all or none.
   *
   * - `stream`: the stream's name; it is created if there is none.
   * - `messages`: 1 to 500 of `{ data, subject?, headers? }`, each at most 262,144 bytes of JSON text.
   * - `id`: one id for all of them. `id`, `expect` and `epoch` are as in `publish`.
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
  publishBatch<S extends NameIn<Streams>>(params: PublishBatchTo<S, Streams[S]>, ...rest: Rest): Result<"publishBatch">;

  /**
   * Reads a page of a stream, in order. `nextSequence` is where the next page begins; past `lastSequence`, this was the last
   * page. `skipped` are sequences that were asked for but deleted before.
   *
   * - `stream`: the stream's name.
   * - `from`: `"first"` (the default), `"new"`, `{ sequence }`, at most one past the last, `{ time }` in milliseconds since
   *   the Unix epoch, or `{ last: n }`.
   * - `filter`: only messages of these subjects: `*` is one token, a last `>` one or more.
   * - `limit`: most messages of the page, 1 to 500 (the default). A page also has at most 1 MiB of message text.
   * - `epoch`: the epoch of the stream that is meant; any unless given.
   *
   * @throws NotFound when there is no such stream; Conflict (`lastSequence`, `previousPublishedAt`) when it does not have
   * the position `from`; EpochChanged when `epoch` has ended.
   * @example
   * ```ts
   * let page = await client.getMessages({ stream: "orders" });
   * while (page.nextSequence <= page.lastSequence) {
   *   const { nextSequence: sequence, epoch } = page;
   *   page = await client.getMessages({ stream: "orders", from: { sequence }, epoch });
   * }
   * ```
   */
  getMessages<S extends NameIn<Streams>>(
    params: Params<"getMessages"> & { stream: S },
    ...rest: Rest
  ): Promise<MessagesOf<"getMessages", Streams[S]>>;

  /**
   * Deletes messages. Their sequences are never used again. Sequences without a message are no error.
   *
   * - `stream`: the stream's name.
   * - `through`: all messages up to and including this sequence, or else
   * - `sequences`: 1 to 500 single messages.
   * - `epoch`: the epoch of the stream that the sequences belong to; any unless given.
   *
   * @throws NotFound when there is no such stream; EpochChanged when `epoch` has ended; OutcomeUnknown.
   */
  deleteMessages(params: Params<"deleteMessages">, ...rest: Rest): Result<"deleteMessages">;

  /**
   * Tells where a producer is in a stream, so that one that starts again knows how to go on: its next sequence is
   * `producer.sequence + 1`. Of one that is not known, epoch and sequence are 0.
   *
   * - `stream`: the stream's name; one that was never used has no producers.
   * - `producer`: the producer's id, 1 to 64 characters.
   * - `epoch`: the epoch of the stream that is meant; any unless given.
   *
   * @throws NotFound and EpochChanged when `epoch` has ended.
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
   * - `epoch`: the epoch of the stream that is meant; any unless given.
   *
   * @throws NotFound when there is no such stream; EpochChanged when `epoch` has ended.
   */
  listProducers(params: Params<"listProducers">, ...rest: Rest): Result<"listProducers">;

  /**
   * Lists a page of the streams that the caller may read, in the order of their names, with the epoch of each and when it was
   * created. `after` is there when more follow: pass it on with the same params.
   *
   * The list is kept apart from the streams. A new one is in it after some milliseconds, or when something fails a few
   * seconds after that is over. One whose deletion was answered is not in it. `getStreamInfo` asks the stream itself.
   *
   * - `prefix`: only streams whose name begins with it.
   * - `after`: only streams whose name comes after it.
   * - `limit`: most streams, 1 to 1,000; 100 unless given. A page may have fewer, or none, although more follow: a call looks
   *   at some ten thousand names, those of streams that the caller may not read or that were deleted lately among them.
   *
   * @throws LimitReached when too many names that the caller may not read are before the next one: list by a `prefix`.
   *
   * @example
   * ```ts
   * for (let after: string | undefined, isMore = true; isMore; isMore = after !== undefined) {
   *   const page = await client.listStreams({ prefix: "room.", after });
   *   rooms.push(...page.streams);
   *   ({ after } = page);
   * }
   * ```
   */
  listStreams(params?: Params<"listStreams">, ...rest: Rest): Result<"listStreams">;

  /**
   * Returns epoch, config, first and last sequence, messages and bytes of a stream. It creates nothing.
   *
   * - `stream`: the stream's name.
   *
   * @throws NotFound when there is no such stream.
   */
  getStreamInfo(params: Params<"getStreamInfo">, ...rest: Rest): Result<"getStreamInfo">;

  /**
   * Configures what a stream keeps, and creates it if there is none. Fields left out keep their value, `null` resets one to
   * its default. Resolves to the whole config.
   *
   * - `stream`: the stream's name.
   * - `maxAgeMs`: milliseconds after which messages are dropped, 1 to 315,360,000,000 (ten years); no bound by default.
   * - `maxMessages`: most messages kept, 1 or more; no bound by default.
   * - `maxBytes`: most bytes kept, 1 to 9,000,000,000; by default what the server allows.
   * - `discard`: at `maxMessages` or `maxBytes`, `"old"` (the default) drops the oldest, `"new"` refuses publishes with
   *   LimitReached.
   * - `duplicateWindowMs`: how long a publish id is remembered, in milliseconds, 100 to 86,400,000; 120,000 by default.
   * - `producerWindowMs`: how long a producer is remembered after its last message, in milliseconds, 1,000 to
   *   31,536,000,000 (365 days); 604,800,000 (7 days) by default.
   *
   * @throws OutcomeUnknown: safe to repeat.
   */
  configureStream(params: Params<"configureStream">, ...rest: Rest): Result<"configureStream">;

  /**
   * Deletes a stream with its messages, state and consumers. Created again, it has another epoch and starts at sequence 1.
   * `deleted` is false when there was none.
   *
   * - `stream`: the stream's name.
   * - `epoch`: deletes only this epoch, which makes the call safe to repeat; any unless given.
   *
   * @throws EpochChanged when the stream has another epoch; OutcomeUnknown.
   */
  deleteStream(params: Params<"deleteStream">, ...rest: Rest): Result<"deleteStream">;

  /**
   * Returns the state document of a stream and its `revision`: `null` at revision 0 before the first put.
   *
   * - `stream`: the stream's name. It is not created: without a stream the result has no `epoch`.
   */
  getState(params: Params<"getState">, ...rest: Rest): Result<"getState">;

  /**
   * Replaces the state document of a stream, if it has the expected revision. The stream is created if there is none.
   *
   * - `stream`: the stream's name.
   * - `state`: any JSON value of at most 262,144 bytes.
   * - `expectedRevision`: the revision of the replaced document, 0 before the first put; any unless given.
   * - `epoch`: the epoch of the stream that the revision belongs to; any unless given.
   *
   * @throws Conflict (`revision`, the current one); EpochChanged or NotFound when `epoch` has ended; TooLarge;
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
   * - `state`: any JSON value of at most 262,144 bytes. Put a larger one in an object, and its key and etag here.
   * - `through`: this message and all before it are deleted; 0 deletes none.
   * - `expectedRevision`: the revision of the replaced document, 0 before the first put; any unless given.
   * - `epoch`: the epoch of the stream that `through` belongs to; any unless given.
   *
   * @throws Conflict: `revision` when the document has another one; `firstSequence` when messages after `through` are deleted
   * already; `lastSequence` when `through` is beyond it. EpochChanged or NotFound when `epoch` has ended; TooLarge;
   * OutcomeUnknown: repeat the same call with `expectedRevision`.
   */
  checkpoint(params: Params<"checkpoint">, ...rest: Rest): Result<"checkpoint">;

  /**
   * Creates a consumer, a durable cursor that clients share, and its stream if there is none. Messages are acked one by one.
   * A message that is not acked in time is redelivered, and after `maxDeliver` failures goes to the dead letters. Repeated
   * with the same options the call changes nothing; `updateConsumer` changes them.
   *
   * - `stream`: the stream's name.
   * - `consumer`: 1 to 64 of `[A-Za-z0-9_-]`.
   * - `from`: where it starts: `"first"` (the default), `"new"`, `{ sequence }`, `{ time }` or `{ last: n }`.
   * - `filter`: only messages of these subjects: `*` is one token, a last `>` one or more.
   * - `ackWaitMs`: milliseconds after which a message not acked is redelivered, 100 to 3,600,000; 30,000 unless given.
   * - `maxDeliver`: how often the delivery of a message may fail before it is a dead letter, 1 to 100; 5 unless given.
   * - `maxInFlight`: most messages delivered and not acked, 1 to 10,000; 1,000 unless given, 1 for strict order.
   * - `backoffMs`: up to 16 waits in milliseconds, 0 to 86,400,000, before the second delivery, the third and so on. The last
   *   one repeats; 1,000, 5,000, 30,000 and 120,000 unless given.
   * - `epoch`: the epoch of the stream that is meant; any unless given.
   *
   * @throws Conflict when the consumer exists with other options (`what`), or when the stream does not have the position
   * `from` (`lastSequence`, `previousPublishedAt`); EpochChanged or NotFound when `epoch` has ended;
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
   * Changes the config of a consumer, except where it started. The consumer keeps its position. Fields left out keep their
   * value, `null` resets one to its default. Resolves to the consumer's config and progress.
   *
   * - `stream`, `consumer`: their names.
   * - `filter`: applies from the next new message on; `seekConsumer` goes back for messages that were skipped.
   * - `ackWaitMs`: in milliseconds, 100 to 3,600,000; applies from the next delivery on.
   * - `maxDeliver`: 1 to 100; a waiting message that was delivered as often already is a dead letter at once.
   * - `maxInFlight`: 1 to 10,000; no more messages are delivered until fewer are in flight.
   * - `backoffMs`: up to 16 waits in milliseconds, 0 to 86,400,000; applies from the next failed delivery on.
   *
   * @throws NotFound; OutcomeUnknown: safe to repeat.
   * @example
   * ```ts
   * await client.updateConsumer({ stream: "orders", consumer: "packers", maxInFlight: 50, filter: null });
   * ```
   */
  updateConsumer(params: Params<"updateConsumer">, ...rest: Rest): Result<"updateConsumer">;

  /**
   * Returns the config and progress of a consumer: ack floor, messages pending and in flight, dead letters.
   *
   * - `stream`, `consumer`: their names.
   *
   * @throws NotFound.
   */
  getConsumer(params: Params<"getConsumer">, ...rest: Rest): Result<"getConsumer">;

  /**
   * Returns the config and progress of every consumer of a stream, of which there are at most 100.
   *
   * - `stream`: the stream's name.
   *
   * @throws NotFound when there is no such stream.
   */
  listConsumers(params: Params<"listConsumers">, ...rest: Rest): Result<"listConsumers">;

  /**
   * Deletes a consumer with its dead letters, ends its subscriptions, and returns its last state. The stream keeps its
   * messages.
   *
   * - `stream`, `consumer`: their names.
   *
   * @throws NotFound; OutcomeUnknown.
   */
  deleteConsumer(params: Params<"deleteConsumer">, ...rest: Rest): Result<"deleteConsumer">;

  /**
   * Pauses or resumes the deliveries of a consumer. Acks still count while it is paused.
   *
   * - `stream`, `consumer`: their names.
   * - `paused`: true pauses it, false resumes it.
   *
   * @throws NotFound; OutcomeUnknown: safe to repeat.
   */
  pauseConsumer(params: Params<"pauseConsumer">, ...rest: Rest): Result<"pauseConsumer">;

  /**
   * Restarts a consumer at another position: messages in flight or waiting are forgotten, and every message from there on is
   * new.
   *
   * - `stream`, `consumer`: their names.
   * - `from`: `"first"`, `"new"`, `{ sequence }`, `{ time }` or `{ last: n }`.
   * - `epoch`: the epoch of the stream that `from` belongs to; any unless given.
   *
   * @throws NotFound; Conflict (`lastSequence`, `previousPublishedAt`) when the stream does not have the position `from`;
   * EpochChanged when `epoch` has ended; OutcomeUnknown.
   */
  seekConsumer(params: Params<"seekConsumer">, ...rest: Rest): Result<"seekConsumer">;

  /**
   * Takes messages of a consumer without a socket; none when there is none to deliver. They are in flight, and so delivered to
   * nobody else, until `ackMessages` with this `lease` or until the consumer's `ackWaitMs` is over.
   *
   * - `stream`, `consumer`: their names.
   * - `limit`: most messages to take, 1 to 500; 100 unless given.
   *
   * @throws NotFound; LimitReached beyond 1,000 leases that hold messages; OutcomeUnknown: messages that were taken
   * are redelivered after `ackWaitMs`.
   * @example
   * ```ts
   * const at = { stream: "orders", consumer: "packers" };
   * const { lease, messages } = await client.fetchMessages({ ...at, limit: 10 });
   * if (messages.length > 0) {
   *   await client.ackMessages({ ...at, lease, sequences: messages.map(({ sequence }) => sequence) });
   * }
   * ```
   */
  fetchMessages<S extends NameIn<Streams>>(
    params: Params<"fetchMessages"> & { stream: S },
    ...rest: Rest
  ): Promise<MessagesOf<"fetchMessages", Streams[S]>>;

  /**
   * Sends ack, nak or term for messages of `fetchMessages`. Safe to repeat.
   *
   * - `stream`, `consumer`: their names.
   * - `lease`: the one of `fetchMessages`.
   * - `sequences`: 1 to 10,000 messages of that lease.
   * - `outcome`: `"ack"` (the default): done; `"nak"`: to be redelivered; `"term"`: a dead letter at once.
   * - `delayMs`: of a nak, milliseconds before the next delivery, 0 to 86,400,000; the consumer's backoff unless given.
   *
   * @throws NotFound when there is no such consumer or lease; OutcomeUnknown.
   */
  ackMessages(params: Params<"ackMessages">, ...rest: Rest): Result<"ackMessages">;

  /**
   * Returns the dead letters of a consumer, in order: messages that it no longer delivers. They stay in the stream until it
   * drops them.
   *
   * - `stream`, `consumer`: their names.
   * - `from`: the lowest sequence to return; 1 unless given.
   * - `limit`: most dead letters to return, 1 to 500 (the default).
   * - `epoch`: the epoch of the stream that `from` belongs to; any unless given.
   *
   * @throws NotFound; EpochChanged when `epoch` has ended.
   */
  getDeadLetters(params: Params<"getDeadLetters">, ...rest: Rest): Result<"getDeadLetters">;

  /**
   * Delivers dead letters again as if for the first time, as far as the stream still has them. `count` is their number.
   *
   * - `stream`, `consumer`: their names.
   * - `sequences`: 1 to 10,000 of them; all unless given.
   * - `epoch`: the epoch of the stream that they belong to; any unless given.
   *
   * @throws NotFound; EpochChanged when `epoch` has ended; OutcomeUnknown.
   */
  retryDeadLetters(params: Params<"retryDeadLetters">, ...rest: Rest): Result<"retryDeadLetters">;

  /**
   * Deletes dead letters. The stream keeps its messages. `count` is their number.
   *
   * - `stream`, `consumer`: their names.
   * - `sequences`: 1 to 10,000 of them; all unless given.
   * - `epoch`: the epoch of the stream that they belong to; any unless given.
   *
   * @throws NotFound; EpochChanged when `epoch` has ended; OutcomeUnknown.
   */
  deleteDeadLetters(params: Params<"deleteDeadLetters">, ...rest: Rest): Result<"deleteDeadLetters">;

  /**
   * Returns size in bytes, etag, media type and metadata of an object, without its body.
   *
   * - `key`: the object's key.
   *
   * @throws NotFound when there is none.
   */
  headObject(params: Params<"headObject">, ...rest: Rest): Result<"headObject">;

  /**
   * Reads an object, or a range of it, in one call. `objects.get` of a client reads one of any size as a stream.
   *
   * - `key`: the object's key.
   * - `range`: `{ offset, length }` in bytes, cut at the object's end; at most 768,000.
   * - `encoding`: of `data`, `"utf8"` or `"base64"`; unless given, `"utf8"` if the bytes are valid UTF-8.
   *
   * @throws NotFound; TooLarge (`use`) for a body of more than 768,000 bytes, or one that does not fit a frame as text.
   */
  getObject(params: Params<"getObject">, ...rest: Rest): Result<"getObject">;

  /**
   * Stores an object in one call, as a whole or not at all. `objects.put` of a client stores one of any size.
   *
   * - `key`: 1 to 1,024 bytes of UTF-8 without control characters, in which no segment between slashes is empty, `.` or
   *   `..`.
   * - `data`: the body, at most 768,000 bytes once decoded.
   * - `encoding`: of `data`, `"utf8"` (the default) or `"base64"`.
   * - `contentType`: the media type; `application/octet-stream` unless given.
   * - `metadata`: strings by names of 1 to 64 of `[a-z0-9_-]`, 4,096 bytes of UTF-8 in all.
   * - `sha256`: of the body, 64 lower-case hexadecimal digits; nothing is stored when it does not match.
   * - `ifMatch`: stores only if the object has this etag, with `"*"` only if there is an object.
   * - `ifNoneMatch`: stores only if the object does not have this etag, with `"*"` only if there is no object.
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
   * Lists a page of the objects, in the order of their keys. `cursor` is for the next page, and absent on the last.
   *
   * - `prefix`: only keys that begin with it.
   * - `delimiter`: 1 to 16 characters; keys that contain it after the prefix are grouped in `prefixes`: with `"/"`, one folder
   *   level is listed.
   * - `cursor`: the one of the page before.
   * - `limit`: most objects and prefixes, 1 to 1,000; 100 unless given. A page may have fewer although more follow.
   */
  listObjects(params?: Params<"listObjects">, ...rest: Rest): Result<"listObjects">;

  /**
   * Signs a URL by which anybody may read one object for a while, by GET and HEAD only: an image in a page, a download. It
   * can not be taken back before it ends, and reads what the key has at that time. `objects.createUrl` of a client returns
   * a whole URL.
   *
   * - `key`: the object's key. Whether there is an object is not looked at.
   * - `expiresInMs`: how long it lasts, 1,000 to 86,400,000; 300,000 unless given.
   *
   * @returns `url`, which is the path and query on the server, and `expiresAt` in milliseconds since the epoch.
   */
  createObjectUrl(params: Params<"createObjectUrl">, ...rest: Rest): Result<"createObjectUrl">;

  /**
   * Begins the upload of an object that is too large for one call. Its bytes are sent by `uploadPart`, and the object does not
   * exist before `completeUpload`. An upload that is not completed is deleted at `expiresAt`, 7 days later. `objects.put` of a
   * client does all of this.
   *
   * - `key`, `contentType`, `metadata`: as in `putObject`.
   *
   * @throws OutcomeUnknown: begin another one.
   */
  createUpload(params: Params<"createUpload">, ...rest: Rest): Result<"createUpload">;

  /**
   * Stores one part of an upload, in any order. A part with the same number replaces it.
   *
   * - `key`, `uploadId`: those of `createUpload`.
   * - `partNumber`: its place in the object, 1 to 1,000.
   * - `data`: at most 768,000 bytes once decoded.
   * - `encoding`: of `data`, `"utf8"` (the default) or `"base64"`.
   * - `sha256`: of the part, 64 lower-case hexadecimal digits; nothing is stored when it does not match.
   *
   * @throws NotFound when there is no such upload; Conflict while it is being completed; TooLarge (`use`);
   * OutcomeUnknown: safe to repeat.
   */
  uploadPart(params: Params<"uploadPart">, ...rest: Rest): Result<"uploadPart">;

  /**
   * Stores the object made of the parts of an upload, if the conditions hold. It takes as long as storing the object takes.
   * When the answer is lost, repeat the same call: it returns the same object.
   *
   * - `key`, `uploadId`: those of `createUpload`.
   * - `parts`: 1 to 1,000 of `{ partNumber, etag }`, the results of `uploadPart`, in the order of their numbers.
   * - `sha256`: of the whole, 64 lower-case hexadecimal digits; nothing is stored when it does not match.
   * - `ifMatch`, `ifNoneMatch`: as in `putObject`.
   *
   * @throws NotFound (`what`: `upload` or `part`); Conflict when a condition does not hold or a part was replaced;
   * RateLimited (`retryAfterMs`); OutcomeUnknown: safe to repeat.
   */
  completeUpload(params: Params<"completeUpload">, ...rest: Rest): Result<"completeUpload">;

  /**
   * Deletes an upload and its parts.
   *
   * - `key`, `uploadId`: those of `createUpload`.
   *
   * @throws NotFound when there is no such upload; Conflict while it is being completed; OutcomeUnknown.
   */
  abortUpload(params: Params<"abortUpload">, ...rest: Rest): Result<"abortUpload">;

  /**
   * Issues a token, to hand on to a browser, a tenant or a service: it is sent as the key is, and may do no more than its
   * caller. `expiresAt` says when it ends, in milliseconds since the Unix epoch.
   *
   * - `rights`: up to 32 of `{ streams?, objects?, actions, subjects? }`, each within one of the caller's own.
   * - `subject`: whom it is for, in words of your own: 1 to 256 characters.
   * - `prefix`: stands before every stream name and object key that its holder says, behind the caller's own prefix: up to 64
   *   of `[A-Za-z0-9._-]` that end with a dot, as `tenant-7.`
   * - `expiresInMs`: 1,000 to 86,400,000; 3,600,000 unless given, and never beyond the end of the caller's own token.
   * - `publishesPerSecond`: messages that it may publish in a second on one socket, and over HTTP about as many.
   * - `socketsPerSubject`: sockets that its subject may hold at one gateway.
   *
   * @throws Forbidden for what is wider than the caller's own; NotFound (`what`: `signingKey`) when no key to sign with is
   * configured.
   * @example
   * ```ts
   * const rights = [{ streams: ["room.*"], actions: ["read", "publish"] }];
   * const { token } = await client.issueToken({ rights, subject: "alice", expiresInMs: 600_000 });
   * ```
   */
  issueToken(params: Params<"issueToken">, ...rest: Rest): Result<"issueToken">;
}
