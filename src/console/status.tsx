import type { Session } from "./session/session.ts";
import { useConnectionOf } from "./session/use-session.ts";

/** The states of a connection in words. */
export const WORDS = {
  idle: "Not connected",
  connecting: "Connecting…",
  open: "Connected",
  waiting: "Connecting…",
  closed: "Closed",
} as const;

/** One line on the connection of a session, said when it changes. */
export function ConnectionStatus({ session }: { session: Session }) {
  const { state, reason } = useConnectionOf(session);
  return (
    <span class={`connection ${state}`} role="status" title={reason ?? ""}>
      {WORDS[state]}
    </span>
  );
}
