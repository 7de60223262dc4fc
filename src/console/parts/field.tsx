import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

type FieldProps = {
  readonly label: string;
  readonly value: string;
  readonly onInput: (value: string) => void;
  readonly hint?: ComponentChildren;
  /** What is wrong with the value; shown under it, and said with it. */
  readonly error?: string | undefined;
};

type TextFieldProps = FieldProps & {
  /** `password` is not shown, and offered to no password manager; `json` and `lines` have several lines. */
  readonly kind?: "text" | "password" | "number" | "search" | "json" | "lines";
  readonly placeholder?: string;
  readonly rows?: number;
  readonly hasFocus?: boolean;
};

/** A text that somebody types. */
export function TextField({ kind = "text", placeholder, rows = 12, hasFocus = false, ...field }: TextFieldProps) {
  const given = {
    value: field.value,
    onInput: ({ currentTarget }: { currentTarget: { value: string } }) => field.onInput(currentTarget.value),
    autocomplete: "off",
    spellcheck: false,
    autofocus: hasFocus,
    ...(placeholder === undefined ? {} : { placeholder }),
  };
  if (kind === "json" || kind === "lines") {
    return (
      <Labelled {...field}>
        {(named) => <textarea {...named} {...given} rows={rows} class={kind} wrap="off" />}
      </Labelled>
    );
  }
  return (
    <Labelled {...field}>
      {(named) => {
        const input = { ...named, ...given };
        if (kind === "password") {
          return <input {...input} type="password" />;
        }
        if (kind === "search") {
          return <input {...input} type="search" />;
        }
        return (
          <input {...input} type="text" {...(kind === "number" ? { inputMode: "numeric", class: "number" } : {})} />
        );
      }}
    </Labelled>
  );
}

type SelectFieldProps = FieldProps & {
  readonly options: readonly { readonly value: string; readonly label: string }[];
};

/** One of several values. */
export function SelectField({ options, ...field }: SelectFieldProps) {
  return (
    <Labelled {...field}>
      {(named) => (
        <select {...named} value={field.value} onInput={({ currentTarget }) => field.onInput(currentTarget.value)}>
          {options.map(({ value, label }) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </select>
      )}
    </Labelled>
  );
}

type Named = {
  readonly id: string;
  readonly "aria-describedby": string;
  readonly "aria-invalid": "true" | "false";
};

function Labelled({
  label,
  hint,
  error,
  children,
}: Omit<FieldProps, "value" | "onInput"> & { children: (named: Named) => ComponentChildren }) {
  const id = useId();
  const named: Named = {
    id,
    "aria-describedby": `${id}-hint ${id}-error`,
    "aria-invalid": error === undefined ? "false" : "true",
  };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children(named)}
      <small id={`${id}-hint`}>{hint}</small>
      <span id={`${id}-error`} class="field-error" role="alert">
        {error}
      </span>
    </div>
  );
}
