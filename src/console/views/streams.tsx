import { useEffect, useState } from "preact/hooks";

import { ListStreamsParams, StreamName } from "../../../rpc/index.ts";
import type { ListStreamsResult } from "../../../rpc/index.ts";
import { TextField } from "../parts/field.tsx";
import { ErrorNotice } from "../parts/notice.tsx";
import { Table } from "../parts/table.tsx";
import { Time } from "../parts/time.tsx";
import { useAction } from "../parts/use-action.ts";
import { useCall } from "../parts/use-call.ts";
import { faultOf } from "../parts/valid.ts";
import { go, href } from "../router.ts";
import { useClient } from "../session/use-session.ts";

/** Streams of a page. */
const PAGE = 100;

/** The streams of this server, by the beginning of their names. */
export function Streams() {
  const [prefix, setPrefix] = useState("");
  const fault = faultOf(ListStreamsParams.entries.prefix, prefix);
  return (
    <>
      <h1 tabIndex={-1}>Streams</h1>
      <div class="bar">
        <TextField
          label="Name begins with"
          kind="search"
          value={prefix}
          onInput={setPrefix}
          error={fault}
          hint="Upper and lower case differ."
        />
        <OpenStream />
      </div>
      {fault === undefined && <Found key={prefix} prefix={prefix} />}
    </>
  );
}

/** Opens a stream by its name, whether or not there is one. */
function OpenStream() {
  const [name, setName] = useState("");
  const [fault, setFault] = useState<string | undefined>();
  const submit = (event: Event) => {
    event.preventDefault();
    const found = faultOf(StreamName, name);
    setFault(found);
    if (found === undefined) {
      go(["streams", name]);
    }
  };
  return (
    <form class="inline" onSubmit={submit}>
      <TextField
        label="Open by name"
        value={name}
        onInput={setName}
        error={fault}
        hint="Also one that is not there yet."
      />
      <button type="submit">Open</button>
    </form>
  );
}

type Listed = ListStreamsResult["streams"][number];

/** The streams with a prefix: a first page, and what was asked for beyond it. */
function Found({ prefix }: { prefix: string }) {
  const client = useClient();
  const params = { ...(prefix === "" ? {} : { prefix }), limit: PAGE };
  const first = useCall((each, options) => each.listStreams(params, options), [prefix]);
  const [later, setLater] = useState<ListStreamsResult | undefined>();
  const more = useAction(async (after: string) => {
    const page = await client.listStreams({ ...params, after });
    setLater({ ...page, streams: [...(later?.streams ?? []), ...page.streams] });
  });
  // The first page was read again, so the later ones are not what follows it.
  useEffect(() => setLater(undefined), [first.value]);

  if (first.value === undefined) {
    return first.error === undefined ? <p class="empty">Reading…</p> : <ErrorNotice error={first.error} />;
  }
  const { after } = later ?? first.value;
  const streams: readonly Listed[] = [...first.value.streams, ...(later?.streams ?? [])];
  return (
    <>
      <ErrorNotice error={first.error} />
      <Table
        caption="Streams"
        rows={streams}
        keyOf={({ stream }) => stream}
        empty={
          prefix === "" ? "There is no stream yet. The first publish makes one." : `No stream begins with “${prefix}”.`
        }
        columns={[
          {
            label: "Stream",
            isName: true,
            cell: ({ stream }) => <a href={href(["streams", stream])}>{stream}</a>,
          },
          { label: "Created", cell: ({ createdAt }) => <Time at={createdAt} /> },
        ]}
      />
      <p class="actions">
        {after !== undefined && (
          <button type="button" disabled={more.isPending} onClick={() => void more.run(after)}>
            More
          </button>
        )}
        <button type="button" class="quiet" onClick={first.reload}>
          Reload
        </button>
        <span class="count" role="status">
          {streams.length}
          {after === undefined ? "" : "+"} {streams.length === 1 ? "stream" : "streams"}
        </span>
      </p>
      <ErrorNotice error={more.error} />
    </>
  );
}
