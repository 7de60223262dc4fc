import type { ComponentChildren } from "preact";

import { DurableStreamError } from "../../../rpc/client.ts";

import { visible } from "./format.ts";

/** A note in place: `good` and `info` are said when the reader pauses, `bad` at once. */
export function Notice({ kind, children }: { kind: "good" | "info" | "bad"; children: ComponentChildren }) {
  return (
    <div class={`notice ${kind}`} role={kind === "bad" ? "alert" : "status"}>
      {children}
    </div>
  );
}

/** Why something was not done, where it was asked for; nothing without an error. */
export function ErrorNotice({ error }: { error: Error | undefined }) {
  if (error === undefined) {
    return null;
  }
  return (
    <Notice kind="bad">
      <strong>{error.name}</strong> {visible(wordsOf(error))}
    </Notice>
  );
}

function wordsOf(error: Error): string {
  if (error instanceof DurableStreamError && error.name === "Forbidden") {
    const { action, stream, key } = error.data;
    const on = stream ?? key;
    const needed = action === undefined ? "" : `: it needs the right “${action}”${on === undefined ? "" : ` on ${on}`}`;
    return `This key or token may not do this${needed}.`;
  }
  return `${error.message.charAt(0).toUpperCase()}${error.message.slice(1)}.`;
}
