import { useEffect, useRef, useState } from "preact/hooks";

import { DurableStreamError } from "../../rpc/client.ts";

import { TextField } from "./parts/field.tsx";
import { ErrorNotice, Notice } from "./parts/notice.tsx";
import { useAction } from "./parts/use-action.ts";
import { Session } from "./session/session.ts";
import { ConnectionStatus } from "./status.tsx";

type SignInProps = {
  /** Why the key before was not taken. */
  readonly refusal?: string;
  readonly onSession: (session: Session) => void;
};

/** Asks for a key or token, and tries it before anything is shown. */
export function SignIn({ refusal, onSession }: SignInProps) {
  const [token, setToken] = useState("");
  const [missing, setMissing] = useState<string | undefined>();
  const [tried, setTried] = useState<Session | undefined>();
  const taken = useRef<Session>(undefined);
  const { run, isPending, error } = useAction(proven);
  // One that was tried and not taken has no use.
  useEffect(() => () => void (tried !== taken.current && tried?.end()), [tried]);

  const submit = async () => {
    const given = token.trim();
    setMissing(given === "" ? "Paste a key or a token." : undefined);
    if (given === "" || isPending) {
      return;
    }
    const session = new Session(given);
    setTried(session);
    if ((await run(session)) !== undefined) {
      taken.current = session;
      onSession(session);
    }
  };

  return (
    <main class="sign-in">
      <h1>Durable Stream</h1>
      <p>
        The console of <b>{location.host}</b>. It can do what your key can.
      </p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        {refusal !== undefined && error === undefined && (
          <Notice kind="bad">
            <strong>Disconnected</strong> {refusal}. Give a key or token to go on.
          </Notice>
        )}
        <ErrorNotice error={error} />
        <TextField
          label="Key or token"
          kind="password"
          value={token}
          onInput={setToken}
          error={missing}
          hint="Kept in this tab only, until you close it or forget it."
          hasFocus
        />
        <p class="actions">
          <button type="submit" class="main" disabled={isPending}>
            Open
          </button>
          {isPending && tried !== undefined && <ConnectionStatus session={tried} />}
        </p>
      </form>
    </main>
  );
}

/** Whether the server takes the key: whoever has a right to anything may ask what the server is. */
async function proven(session: Session): Promise<void> {
  try {
    await session.client.getServerInfo();
  } catch (error) {
    if (!(error instanceof DurableStreamError && error.name === "Forbidden" && session.connection.state === "open")) {
      throw error;
    }
  }
}
