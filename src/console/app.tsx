import { useEffect, useState } from "preact/hooks";

import { keptToken } from "./session/kept-token.ts";
import { Session } from "./session/session.ts";
import { SessionContext, useConnectionOf } from "./session/use-session.ts";
import { Shell } from "./shell.tsx";
import { SignIn } from "./sign-in.tsx";

/** The whole page: asks for a key, then shows the console. */
export function App() {
  const [session, setSession] = useState(firstSession);
  const begin = (next: Session) => {
    keptToken.set(next.token);
    session?.end();
    setSession(next);
  };
  const forget = () => {
    keptToken.forget();
    session?.end();
    setSession(undefined);
  };
  return session === undefined ? (
    <SignIn onSession={begin} />
  ) : (
    <SignedIn session={session} onSession={begin} onForget={forget} />
  );
}

function firstSession(): Session | undefined {
  const token = keptToken.get();
  return token === undefined ? undefined : new Session(token);
}

type SignedInProps = { session: Session; onSession: (session: Session) => void; onForget: () => void };

/**
 * The console, until its key is forgotten. When the server takes the key no more, another one is asked for, and the views
 * stay as they are behind it: with what somebody has typed.
 */
function SignedIn({ session, onSession, onForget }: SignedInProps) {
  const { state, reason } = useConnectionOf(session);
  const isRefused = state === "closed";
  useEffect(() => {
    if (isRefused) {
      keptToken.forget();
    }
  }, [isRefused]);
  return (
    <>
      {isRefused && <SignIn refusal={reason ?? "the connection was closed"} onSession={onSession} />}
      <div hidden={isRefused}>
        <SessionContext.Provider value={session}>
          <Shell onForget={onForget} />
        </SessionContext.Provider>
      </div>
    </>
  );
}
