import type { StreamViewProps } from "../../view.ts";

import { ConsumerList } from "./consumer-list.tsx";
import { ConsumerPage } from "./consumer-page.tsx";
import { CreateConsumer } from "./create-consumer.tsx";
import { DeadLetters } from "./dead-letters.tsx";
import { CREATE, DEAD_LETTERS } from "./places.ts";

/** The consumers of a stream: `consumers`, `consumers/+`, `consumers/<name>` and `consumers/<name>/dead-letters`. */
export function Consumers({ stream, rest, query }: StreamViewProps) {
  const [consumer, part] = rest;
  if (consumer === undefined) {
    return <ConsumerList stream={stream} />;
  }
  if (consumer === CREATE) {
    return <CreateConsumer stream={stream} />;
  }
  return part === DEAD_LETTERS ? (
    <DeadLetters stream={stream} consumer={consumer} query={query} />
  ) : (
    <ConsumerPage stream={stream} consumer={consumer} />
  );
}
