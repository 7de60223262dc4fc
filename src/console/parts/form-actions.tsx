type FormActionsProps = {
  /** What the button says that submits the form. */
  readonly verb: string;
  /** `danger` when it can not be undone. */
  readonly kind: "main" | "danger";
  readonly isDisabled: boolean;
  readonly onCancel: () => void;
};

/** The end of a form: it is submitted, or given up. */
export function FormActions({ verb, kind, isDisabled, onCancel }: FormActionsProps) {
  return (
    <p class="actions">
      <button type="submit" class={kind} disabled={isDisabled}>
        {verb}
      </button>
      <button type="button" onClick={onCancel}>
        Cancel
      </button>
    </p>
  );
}
