import { useState } from "preact/hooks";

import { DurableStreamError } from "../../../../rpc/client.ts";
import type { StreamInfo } from "../../../../rpc/index.ts";
import { Facts } from "../../parts/facts.tsx";
import { formatBytes, formatDuration, formatNumber } from "../../parts/format.ts";
import { ErrorNotice, Notice } from "../../parts/notice.tsx";
import { Time } from "../../parts/time.tsx";
import { useAction } from "../../parts/use-action.ts";
import { useCall } from "../../parts/use-call.ts";
import { useInterval } from "../../parts/use-interval.ts";
import { useClient } from "../../session/use-session.ts";
import type { StreamViewProps } from "../../view.ts";

import { Config } from "./config.tsx";
import { Rate } from "./rate.tsx";
import { Removal } from "./removal.tsx";

/** How often the stream is asked, while the tab is seen. */
const EVERY_MS = 2_000;

/** What a stream holds, how it grows, what it keeps; and how to empty or delete it. */
export function Overview({ stream }: StreamViewProps) {
  const call = useCall(
    async (client, options) => ({ info: await client.getStreamInfo({ stream }, options), at: Date.now() }),
    [stream],
  );
  const { value, error, isPending, reload } = call;
  useInterval(() => isPending || reload(), EVERY_MS);
  if (isMissing(error)) {
    return <Missing stream={stream} onMade={reload} />;
  }
  if (value === undefined) {
    return error === undefined ? <p class="empty">Reading…</p> : <ErrorNotice error={error} />;
  }
  const { info, at } = value;
  return (
    <>
      <ErrorNotice error={error} />
      <section aria-labelledby="contents">
        <h2 id="contents">Contents</h2>
        <Contents info={info} at={at} />
        <Rate info={info} at={at} />
      </section>
      <Config info={info} onSaved={reload} />
      <Removal info={info} onChanged={reload} />
    </>
  );
}

function Contents({ info, at }: { info: StreamInfo; at: number }) {
  const { stream, epoch, firstSequence, messages } = info;
  const isEmpty = messages === 0;
  const { value: first } = useCall(
    async (client, options) =>
      isEmpty
        ? undefined
        : (await client.getMessages({ stream, from: { sequence: firstSequence }, limit: 1, epoch }, options))
            .messages[0],
    [stream, epoch, firstSequence, isEmpty],
  );
  return (
    <Facts
      facts={[
        { label: "Messages", value: formatNumber(messages) },
        { label: "Size", value: formatBytes(info.bytes), note: `${formatNumber(info.bytes)} bytes` },
        { label: "First sequence", value: isEmpty ? "–" : formatNumber(firstSequence) },
        { label: "Last sequence", value: info.lastSequence === 0 ? "–" : formatNumber(info.lastSequence) },
        {
          label: "Age of the first",
          value: first === undefined ? "–" : formatDuration(at - first.publishedAt),
          note: first === undefined ? undefined : <Time at={first.publishedAt} />,
        },
        { label: "Consumers", value: formatNumber(info.consumers) },
        { label: "State revision", value: formatNumber(info.stateRevision) },
        { label: "Gateways that follow", value: formatNumber(info.gateways) },
        { label: "Created", value: <Time at={info.createdAt} />, note: `Epoch ${epoch}` },
      ]}
    />
  );
}

/** A stream that is not there yet. */
function Missing({ stream, onMade }: { stream: string; onMade: () => void }) {
  const client = useClient();
  const { run, isPending, error } = useAction(() => client.configureStream({ stream }));
  const [isAsked, setAsked] = useState(false);
  const make = async () => {
    setAsked(true);
    if ((await run()) !== undefined) {
      onMade();
    }
  };
  return (
    <>
      <Notice kind="info">
        <p>There is no stream of this name. Its first message, its state or a consumer makes it.</p>
        <p class="actions">
          <button type="button" disabled={isPending} onClick={() => void make()}>
            Make it now
          </button>
        </p>
      </Notice>
      {isAsked && <ErrorNotice error={error} />}
    </>
  );
}

function isMissing(error: Error | undefined): boolean {
  return error instanceof DurableStreamError && error.name === "NotFound";
}
