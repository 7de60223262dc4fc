import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";

import { FormActions } from "./form-actions.tsx";
import { ErrorNotice } from "./notice.tsx";
import { TextField } from "./field.tsx";
import { useAction } from "./use-action.ts";

type DialogProps = { readonly title: string; readonly onClose: () => void; readonly children: ComponentChildren };

/** A modal dialog, open while it is mounted. Escape closes it, and the focus goes back to where it was. */
export function Dialog({ title, onClose, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const isShown = useRef(false);
  const heading = useId();
  useLayoutEffect(() => {
    const opener = document.activeElement;
    const shown = dialog.current;
    shown?.showModal();
    isShown.current = true;
    return () => {
      // While it is open, nothing behind it can have the focus. That it was closed so is no news.
      isShown.current = false;
      shown?.close();
      if (opener instanceof HTMLElement) {
        opener.focus();
      }
    };
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby={heading} onClose={() => isShown.current && onClose()}>
      <h2 id={heading}>{title}</h2>
      {children}
    </dialog>
  );
}

type ConfirmProps = {
  readonly title: string;
  /** What the button says that does it, such as `Delete`. */
  readonly verb: string;
  /** What has to be typed before it can be done. Nothing unless given. */
  readonly name?: string;
  /** Called when the server has done it. */
  readonly onDone: () => void;
  readonly onClose: () => void;
  readonly action: () => Promise<unknown>;
  readonly children: ComponentChildren;
};

/** Asks before something that can not be undone, and says in place why it was not done. */
export function ConfirmDialog({ title, verb, name, action, onDone, onClose, children }: ConfirmProps) {
  const [typed, setTyped] = useState("");
  const { run, isPending, error } = useAction(action);
  const isNamed = name === undefined || typed === name;
  const submit = async () => {
    if (isNamed && (await run()) !== undefined) {
      onDone();
    }
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        {children}
        {name !== undefined && <TextField label={`Type ${name} to go on`} value={typed} onInput={setTyped} hasFocus />}
        <ErrorNotice error={error} />
        <FormActions verb={verb} kind="danger" isDisabled={!isNamed || isPending} onCancel={onClose} />
      </form>
    </Dialog>
  );
}
