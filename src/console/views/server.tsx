import { Facts } from "../parts/facts.tsx";
import { ErrorNotice } from "../parts/notice.tsx";
import { useCall } from "../parts/use-call.ts";

/** The server, and this page's connection to it. */
export function Server() {
  const { value: info, error } = useCall((client, options) => client.getServerInfo({}, options), []);
  return (
    <>
      <h1 tabIndex={-1}>Server</h1>
      <ErrorNotice error={error} />
      {info !== undefined && (
        <Facts
          facts={[
            { label: "Name", value: info.name },
            { label: "Version", value: info.version },
          ]}
        />
      )}
    </>
  );
}
