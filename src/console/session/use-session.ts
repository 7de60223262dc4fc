import { createContext } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";

import type { DurableStream } from "../../../rpc/client.ts";

import type { Connection, Session } from "./session.ts";

export const SessionContext = createContext<Session | undefined>(undefined);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === undefined) {
    throw new Error("no session here");
  }
  return session;
}

/** The client of the session: every call, publish and subscription of the console goes by it. */
export function useClient(): DurableStream {
  return useSession().client;
}

/** The connection of a session, as it changes. */
export function useConnectionOf(session: Session): Connection {
  const [connection, setConnection] = useState(session.connection);
  useEffect(() => {
    setConnection(session.connection);
    return session.listen(() => setConnection(session.connection));
  }, [session]);
  return connection;
}

export function useConnection(): Connection {
  return useConnectionOf(useSession());
}
