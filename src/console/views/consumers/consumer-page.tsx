import { useEffect, useState } from "preact/hooks";

import { DurableStreamError } from "../../../../rpc/client.ts";
import type { CallOptions, DurableStream } from "../../../../rpc/client.ts";
import type { ConsumerInfo } from "../../../../rpc/index.ts";
import { ErrorNotice, Notice } from "../../parts/notice.tsx";
import { useCall } from "../../parts/use-call.ts";
import { useInterval } from "../../parts/use-interval.ts";
import { href } from "../../router.ts";

import { ConsumerActions } from "./consumer-actions.tsx";
import { ConsumerFacts } from "./consumer-facts.tsx";
import { ConsumerConfigForm } from "./config-form.tsx";
import { ConsumerHead } from "./consumer-head.tsx";
import { LagPlots } from "./lag-plots.tsx";
import { LagReader, lagOrNone } from "./lag.ts";
import type { Sample } from "./lag.ts";
import { consumersOf } from "./places.ts";

const EVERY_MS = 1_000;

type ConsumerPageProps = { stream: string; consumer: string };

/** One consumer: how far it is, its config, and what can be done with it. Asked for every second while it is seen. */
export function ConsumerPage({ stream, consumer }: ConsumerPageProps) {
  const [reader] = useState(() => new LagReader(stream));
  const { value, error, isPending, reload } = useCall(
    (client, options) => sampleOf({ client, stream, consumer, reader }, options),
    [stream, consumer],
  );
  useInterval(() => isPending || reload(), EVERY_MS);
  // What an action of this page was answered, until it is asked for again.
  const [changed, setChanged] = useState<ConsumerInfo | undefined>();
  useEffect(() => setChanged(undefined), [value]);
  const [firstEpoch, setFirstEpoch] = useState<string | undefined>();
  useEffect(() => setFirstEpoch((before) => before ?? value?.info.epoch), [value]);

  if (value === undefined) {
    return (
      <>
        <ConsumerHead stream={stream} consumer={consumer} open="consumer" />
        {error === undefined ? <p class="empty">Reading…</p> : <ErrorNotice error={error} />}
      </>
    );
  }
  const info = changed ?? value.info;
  const isGone = isNotFound(error);
  const onChanged = (answer: ConsumerInfo) => {
    setChanged(answer);
    reload();
  };
  return (
    <>
      <ConsumerHead stream={stream} consumer={consumer} open="consumer" deadLetters={info.deadLetters} />
      {isGone ? (
        <Notice kind="bad">
          <strong>Deleted meanwhile</strong> This consumer is no longer there. Below is what it was last.{" "}
          <a href={href(consumersOf(stream))}>All consumers</a>
        </Notice>
      ) : (
        <ErrorNotice error={error} />
      )}
      {firstEpoch !== undefined && info.epoch !== firstEpoch && (
        <Notice kind="info">
          The stream was deleted or restored meanwhile: this is another consumer of the same name, and its sequences
          begin anew.
        </Notice>
      )}
      {!isGone && <ConsumerActions stream={stream} info={info} onChanged={onChanged} />}
      <section aria-label="Figures">
        <ConsumerFacts stream={stream} info={info} lag={value.lag} />
      </section>
      <LagPlots sample={value} error={error} />
      {!isGone && <ConsumerConfigForm stream={stream} info={info} onChanged={onChanged} />}
    </>
  );
}

function isNotFound(error: Error | undefined): boolean {
  return error instanceof DurableStreamError && error.name === "NotFound";
}

type Reading = { client: DurableStream; stream: string; consumer: string; reader: LagReader };

async function sampleOf({ client, stream, consumer, reader }: Reading, options: CallOptions): Promise<Sample> {
  const info = await client.getConsumer({ stream, consumer }, options);
  const lag = await lagOrNone(reader.read(client, info, options));
  return { at: Date.now(), info, lag };
}
