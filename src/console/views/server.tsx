import { useEffect } from "preact/hooks";

import { isLimitName, LIMIT_MEANINGS } from "../../../rpc/index.ts";
import type { ServerInfo } from "../../../rpc/index.ts";
import { Facts } from "../parts/facts.tsx";
import { formatBytes, formatDuration, formatNumber } from "../parts/format.ts";
import { Json } from "../parts/json.tsx";
import { ErrorNotice } from "../parts/notice.tsx";
import { Table } from "../parts/table.tsx";
import { Time } from "../parts/time.tsx";
import { useCall } from "../parts/use-call.ts";
import { claimsOf } from "../session/claims.ts";
import { useConnection, useSession } from "../session/use-session.ts";
import { WORDS } from "../status.tsx";

/** The server, this page's connection to it, what its key may do, and the limits. */
export function Server() {
  const { opened } = useConnection();
  const { value: info, error, reload } = useCall((client, options) => client.getServerInfo({}, options), []);
  useEffect(() => {
    if (opened > 1) {
      reload();
    }
  }, [opened, reload]);
  return (
    <>
      <h1 tabIndex={-1}>Server</h1>
      <ErrorNotice error={error} />
      <section aria-labelledby="connection">
        <h2 id="connection">Connection</h2>
        <ThisConnection info={info} />
      </section>
      <section aria-labelledby="access">
        <h2 id="access">Access</h2>
        <Access />
      </section>
      {info !== undefined && (
        <section aria-labelledby="limits">
          <h2 id="limits">Limits</h2>
          <Limits limits={info.limits} />
        </section>
      )}
    </>
  );
}

function ThisConnection({ info }: { info: ServerInfo | undefined }) {
  const { state, reason, opened, openedAt } = useConnection();
  const gateway = info?.connection;
  return (
    <Facts
      facts={[
        { label: "Server", value: info === undefined ? "–" : `${info.name} ${info.version}`, note: location.host },
        { label: "State", value: WORDS[state], note: reason },
        { label: "Open since", value: openedAt === undefined ? "–" : <Time at={openedAt} /> },
        { label: "Reconnects", value: formatNumber(Math.max(0, opened - 1)), note: "since this page was opened" },
        {
          label: "Gateway",
          value: gateway?.gateway ?? "–",
          note:
            gateway === undefined ? undefined : (
              <>
                awake since <Time at={gateway.gatewayStartedAt} />
              </>
            ),
        },
        { label: "Time of the server", value: info === undefined ? "–" : <Time at={info.time} /> },
      ]}
    />
  );
}

/** What a token says of itself. A key says nothing: it may do everything. */
function Access() {
  const { token } = useSession();
  const claims = claimsOf(token);
  if (claims === undefined) {
    return <p>A key, which may do everything.</p>;
  }
  const { exp, sub, rights, ...others } = claims;
  return (
    <>
      <Facts
        facts={[
          { label: "Token of", value: typeof sub === "string" ? sub : "–" },
          { label: "Ends", value: typeof exp === "number" ? <Time at={exp * 1_000} /> : "–" },
        ]}
      />
      <div class="json">
        <Json value={{ rights, ...others }} depth={4} />
      </div>
    </>
  );
}

function Limits({ limits }: { limits: ServerInfo["limits"] }) {
  return (
    <Table
      caption="Limits"
      rows={Object.entries(limits)}
      keyOf={([name]) => name}
      empty="The server tells no limits."
      columns={[
        { label: "Limit", isName: true, cell: ([name]) => <span class="mono">{name}</span> },
        {
          label: "Value",
          isNumber: true,
          cell: ([name, value]) => <span title={formatNumber(value)}>{limitText(name, value)}</span>,
        },
        { label: "Bounds", cell: ([name]) => (isLimitName(name) ? LIMIT_MEANINGS[name].replaceAll("`", "") : "") },
      ]}
    />
  );
}

/** A limit in the unit that its name tells. */
function limitText(name: string, value: number): string {
  if (name.includes("Bytes")) {
    return formatBytes(value);
  }
  return name.endsWith("Ms") ? formatDuration(value) : formatNumber(value);
}
