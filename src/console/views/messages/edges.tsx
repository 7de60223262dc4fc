import { DurableStreamError } from "../../../../rpc/client.ts";
import { formatNumber } from "../../parts/format.ts";
import { ErrorNotice, Notice } from "../../parts/notice.tsx";
import { href } from "../../router.ts";
import type { TailState } from "../../tail/tail.ts";

/** What is before the first row. */
export function ListStart({ state, onMore }: { state: TailState; onMore: () => void }) {
  const { hasPrevious, isOpen, lookedBackTo } = state;
  if (lookedBackTo !== undefined && hasPrevious) {
    return (
      <p class="messages-edge">
        No message of the filter from {formatNumber(lookedBackTo)} on.{" "}
        <button type="button" class="quiet" onClick={onMore}>
          Look further back
        </button>
      </p>
    );
  }
  return <p class="messages-edge">{!isOpen || hasPrevious ? "…" : "The stream begins here."}</p>;
}

type ListEndProps = { state: TailState; isEmpty: boolean; onGoOn: () => void };

/** What is behind the last row: more, the end of the stream, or what ended its subscription. */
export function ListEnd({ state, isEmpty, onGoOn }: ListEndProps) {
  const { ending, isAtEnd } = state;
  if (ending !== undefined) {
    const isGone = ending.name === "NotFound";
    return (
      <div class="messages-edge">
        {isGone ? (
          <Notice kind="bad">
            <strong>Deleted</strong> There is no stream of this name any more. Looking at it has not made one.
          </Notice>
        ) : (
          <ErrorNotice error={ending} />
        )}
        <button type="button" onClick={onGoOn}>
          {isGone ? "Look for it again" : "Go on"}
        </button>
      </div>
    );
  }
  if (isAtEnd) {
    return <p class="messages-edge">{isEmpty ? "No messages yet." : "The end. What comes is added here."}</p>;
  }
  return <p class="messages-edge">…</p>;
}

/** Why what was asked for could not be read. What was there stays. */
export function OpenFault({ error, onAgain }: { error: Error | undefined; onAgain: () => void }) {
  if (error === undefined) {
    return null;
  }
  const last = error instanceof DurableStreamError && error.name === "Conflict" ? error.data.lastSequence : undefined;
  return (
    <>
      {last === undefined ? (
        <ErrorNotice error={error} />
      ) : (
        <Notice kind="bad">There is no such message: the last one is {formatNumber(last)}.</Notice>
      )}
      <p class="actions">
        <button type="button" onClick={onAgain}>
          Try again
        </button>
      </p>
    </>
  );
}

type MissingStreamProps = { error: Error; stream: string; onAgain: () => void };

/** In place of the list when nothing could be read of the stream. */
export function MissingStream({ error, stream, onAgain }: MissingStreamProps) {
  return (
    <>
      {error.name === "NotFound" ? (
        <p class="empty">
          There is no stream of this name. The first message makes it:{" "}
          <a href={href(["streams", stream, "publish"])}>publish one</a>.
        </p>
      ) : (
        <ErrorNotice error={error} />
      )}
      <p class="actions">
        <button type="button" onClick={onAgain}>
          Look again
        </button>
      </p>
    </>
  );
}
