import { formatNumber } from "../../parts/format.ts";
import { href } from "../../router.ts";

import { consumerHref, consumersOf, deadLettersHref } from "./places.ts";

type ConsumerHeadProps = {
  stream: string;
  consumer: string;
  /** Which of the consumer's two pages is open. */
  open: "consumer" | "dead-letters";
  deadLetters?: number | undefined;
};

/** The name of a consumer, with the way back and its two pages. */
export function ConsumerHead({ stream, consumer, open, deadLetters }: ConsumerHeadProps) {
  const current = (each: ConsumerHeadProps["open"]) => (each === open ? "true" : undefined);
  const count = deadLetters === undefined || deadLetters === 0 ? "" : ` (${formatNumber(deadLetters)})`;
  return (
    <header class="consumer-head">
      <p class="crumb">
        <a href={href(consumersOf(stream))}>Consumers</a>
      </p>
      <h2>{consumer}</h2>
      <nav class="tabs" aria-label={`Views of the consumer ${consumer}`}>
        <a href={consumerHref(stream, consumer)} aria-current={current("consumer")}>
          Progress and config
        </a>
        <a href={deadLettersHref(stream, consumer)} aria-current={current("dead-letters")}>
          Dead letters{count}
        </a>
      </nav>
    </header>
  );
}
