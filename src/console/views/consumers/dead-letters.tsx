import { useState } from "preact/hooks";

import type { DeadLetter } from "../../../../rpc/index.ts";
import { ErrorNotice } from "../../parts/notice.tsx";
import { useCall } from "../../parts/use-call.ts";
import { useInterval } from "../../parts/use-interval.ts";

import { ConsumerHead } from "./consumer-head.tsx";
import { DeadLetterActions } from "./dead-letter-actions.tsx";
import { DeadLetterTable } from "./dead-letter-table.tsx";
import { DeadMessage } from "./dead-message.tsx";
import { deadLettersHref } from "./places.ts";

const EVERY_MS = 3_000;
const PAGE = 50;

type DeadLettersProps = { stream: string; consumer: string; query: URLSearchParams };

/**
 * The messages that a consumer no longer delivers, a page at a time, with one of them beside it. The query has the first
 * sequence of the page, `from`, and that of the message, `sequence`.
 */
export function DeadLetters({ stream, consumer, query }: DeadLettersProps) {
  const from = sequenceIn(query, "from");
  const open = sequenceIn(query, "sequence");
  const { value, error, isPending, reload } = useCall(
    (client, options) =>
      // One more than is shown tells whether there is another page.
      client.getDeadLetters({ stream, consumer, limit: PAGE + 1, ...(from === undefined ? {} : { from }) }, options),
    [stream, consumer, from],
  );
  useInterval(() => isPending || reload(), EVERY_MS);
  const [chosen, setChosen] = useState<ReadonlySet<number>>(new Set());

  const place = (change: { from?: number | undefined; sequence?: number | undefined }) => {
    const next = { from, sequence: open, ...change };
    const given = Object.entries(next).flatMap(([name, at]) => (at === undefined ? [] : [[name, String(at)]]));
    return deadLettersHref(stream, consumer, Object.fromEntries(given));
  };
  const shown: readonly DeadLetter[] = value?.deadLetters.slice(0, PAGE) ?? [];
  const next = value?.deadLetters[PAGE]?.sequence;
  const selected = shown.map(({ sequence }) => sequence).filter((sequence) => chosen.has(sequence));

  return (
    <>
      <ConsumerHead stream={stream} consumer={consumer} open="dead-letters" />
      <ErrorNotice error={error} />
      {value === undefined && error === undefined && <p class="empty">Reading…</p>}
      {value !== undefined && (
        <>
          <DeadLetterActions
            of={{ stream, consumer, epoch: value.epoch }}
            selected={selected}
            hasAny={shown.length > 0 || from !== undefined}
            onDone={reload}
          />
          <div class={open === undefined ? "" : "beside"}>
            <div>
              <DeadLetterTable
                rows={shown}
                isFirstPage={from === undefined}
                open={open}
                chosen={chosen}
                onChosen={setChosen}
                hrefOf={(sequence) => place({ sequence })}
              />
              <p class="actions">
                {from !== undefined && <a href={place({ from: undefined })}>First page</a>}
                {next !== undefined && <a href={place({ from: next })}>Next page</a>}
              </p>
            </div>
            {open !== undefined && (
              <DeadMessage
                key={`${value.epoch} ${open}`}
                of={{ stream, consumer, epoch: value.epoch }}
                sequence={open}
                deadLetter={shown.find(({ sequence }) => sequence === open)}
                closeHref={place({ sequence: undefined })}
                onDone={reload}
              />
            )}
          </div>
        </>
      )}
    </>
  );
}

/** Undefined for what is no sequence. */
function sequenceIn(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  const sequence = Number(text);
  return text !== null && Number.isSafeInteger(sequence) && sequence > 0 ? sequence : undefined;
}
