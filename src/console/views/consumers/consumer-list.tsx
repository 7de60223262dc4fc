import { useRef } from "preact/hooks";

import type { CallOptions, DurableStream } from "../../../../rpc/client.ts";
import type { ConsumerInfo } from "../../../../rpc/index.ts";
import { formatNumber } from "../../parts/format.ts";
import { ErrorNotice } from "../../parts/notice.tsx";
import { Table } from "../../parts/table.tsx";
import { useCall } from "../../parts/use-call.ts";
import { useInterval } from "../../parts/use-interval.ts";
import { href } from "../../router.ts";

import { countText, lagMessages, lagOrNone, LagReader, lagTime } from "./lag.ts";
import type { Lag } from "./lag.ts";
import { CREATE, consumerHref, consumersOf, deadLettersHref } from "./places.ts";

const EVERY_MS = 3_000;

type Row = { readonly info: ConsumerInfo; readonly lag: Lag | undefined };

/** The consumers of a stream with how far each is. A stream has at most 100, which come in one page. */
export function ConsumerList({ stream }: { stream: string }) {
  const readers = useRef(new Map<string, LagReader>());
  const { value, error, isPending, reload } = useCall(
    (client, options) => rowsOf({ client, stream, readers: readers.current }, options),
    [stream],
  );
  useInterval(() => isPending || reload(), EVERY_MS);
  return (
    <>
      <div class="head">
        <h2>Consumers</h2>
        <a class="button" href={href(consumersOf(stream, CREATE))}>
          Create a consumer
        </a>
      </div>
      <ErrorNotice error={error} />
      {value === undefined && error === undefined && <p class="empty">Reading…</p>}
      {value !== undefined && (
        <Table
          caption="Consumers"
          rows={value}
          keyOf={({ info }) => info.consumer}
          empty="This stream has no consumer. Clients that share the work of a stream, or need not keep a position, use one."
          columns={[
            {
              label: "Consumer",
              isName: true,
              cell: ({ info: { consumer, paused } }) => (
                <>
                  <a href={consumerHref(stream, consumer)}>{consumer}</a>
                  {paused && <span class="mark">paused</span>}
                </>
              ),
            },
            { label: "Filter", cell: ({ info }) => <code>{info.config.filter ?? ""}</code> },
            {
              label: "Pending",
              isNumber: true,
              cell: ({ info }) => <Pending info={info} />,
            },
            { label: "In flight", isNumber: true, cell: ({ info }) => formatNumber(info.inFlight) },
            { label: "Redelivered", isNumber: true, cell: ({ info }) => formatNumber(info.redelivered) },
            { label: "Acked up to", isNumber: true, cell: ({ info }) => formatNumber(info.ackFloor) },
            {
              label: "Lag",
              isNumber: true,
              cell: ({ info }) => countText(lagMessages(info), info.pendingIsEstimate),
            },
            { label: "Lag in time", isNumber: true, cell: ({ lag }) => lagTime(lag) },
            {
              label: "Dead letters",
              isNumber: true,
              cell: ({ info: { consumer, deadLetters } }) =>
                deadLetters === 0 ? "0" : <a href={deadLettersHref(stream, consumer)}>{formatNumber(deadLetters)}</a>,
            },
          ]}
        />
      )}
    </>
  );
}

function Pending({ info: { pending, pendingIsEstimate } }: { info: ConsumerInfo }) {
  const text = countText(pending, pendingIsEstimate);
  return pendingIsEstimate === true ? <span title="Still being counted: at least so many">{text}</span> : <>{text}</>;
}

type Reading = { client: DurableStream; stream: string; readers: Map<string, LagReader> };

async function rowsOf({ client, stream, readers }: Reading, options: CallOptions): Promise<Row[]> {
  const { consumers } = await client.listConsumers({ stream }, options);
  return Promise.all(
    consumers.map(async (info) => {
      const reader = readers.get(info.consumer) ?? new LagReader(stream);
      readers.set(info.consumer, reader);
      return { info, lag: await lagOrNone(reader.read(client, info, options)) };
    }),
  );
}
