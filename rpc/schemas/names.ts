import * as v from "valibot";

/** Most characters of a stream's name. */
export const STREAM_NAME_CHARACTERS = 128;

/** 1 to 128 of `[A-Za-z0-9._-]`, not starting with a dot. */
export const StreamName = v.pipe(
  v.string(),
  v.maxLength(STREAM_NAME_CHARACTERS),
  v.regex(/^[A-Za-z0-9_-][A-Za-z0-9._-]*$/, "must be of [A-Za-z0-9._-] and not start with a dot"),
  v.description("Name of a stream: 1 to 128 of [A-Za-z0-9._-], not starting with a dot."),
);

/** 1 to 64 of `[A-Za-z0-9_-]`. */
export const ConsumerName = v.pipe(
  v.string(),
  v.maxLength(64),
  v.regex(/^[A-Za-z0-9_-]+$/, "must be of [A-Za-z0-9_-]"),
  v.description("Name of a consumer: 1 to 64 of [A-Za-z0-9_-]."),
);

/** The dedup id of a publish: 1 to 128 characters. */
export const PublishId = v.pipe(
  v.string(),
  v.minLength(1),
  v.maxLength(128),
  v.description("The same id within the stream's duplicate window is stored once."),
);

/** Up to 16 non-empty tokens of `[A-Za-z0-9_-]` joined by dots, 256 characters in all. */
export const Subject = v.pipe(
  v.string(),
  v.maxLength(256),
  v.regex(/^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){0,15}$/, "must be up to 16 tokens of [A-Za-z0-9_-] joined by dots"),
  v.description("Routing key of a message, like orders.eu.created."),
);

/** A subject in which `*` stands for one token and a last `>` for one or more. */
export const SubjectFilter = v.pipe(
  v.string(),
  v.maxLength(256),
  v.regex(
    /^(?:>|(?:[A-Za-z0-9_-]+|\*)(?:\.(?:[A-Za-z0-9_-]+|\*)){0,15}|(?:(?:[A-Za-z0-9_-]+|\*)\.){1,15}>)$/,
    "must be a subject, with * for one token and > for the rest",
  ),
  v.description(
    "Subject in which * matches one token and a last > one or more. A message without a subject never matches.",
  ),
);

/** The epoch of a stream: from its creation until it is deleted or restored. Sequences belong to one epoch. */
export const Epoch = v.pipe(
  v.string(),
  v.minLength(1),
  v.maxLength(64),
  v.description("Id of one epoch of a stream: from its creation until it is deleted or restored."),
);

/**
 * The epoch that a caller's revision or sequences belong to. When the stream has another one, the call is EpochChanged; when
 * the stream does not exist, it is NotFound. Either way nothing is done. Left out, a call acts on the current epoch.
 */
export const ExpectedEpoch = v.pipe(
  Epoch,
  v.description(
    "The epoch of the stream that is meant: EpochChanged when it has another, NotFound when there is no stream.",
  ),
);

/** The number of a message: 1, 2, 3, … */
export const Sequence = v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.description("The number of a message."));

/** A position that may be before the first message. */
export const SequenceOrZero = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** Milliseconds since the Unix epoch. */
export const Time = v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.description("Milliseconds since the epoch."));

/** A number that may be 0, such as a count or the last sequence of a stream. */
export function countOf(description: string) {
  return v.pipe(SequenceOrZero, v.description(description));
}

/** A length of time in milliseconds, `least` to `most`. */
export function durationMs(least: number, most: number, description: string) {
  return v.pipe(v.number(), v.safeInteger(), v.minValue(least), v.maxValue(most), v.description(description));
}
