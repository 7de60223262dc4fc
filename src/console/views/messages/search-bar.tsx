import type { RefObject } from "preact";
import { useId } from "preact/hooks";

type SearchBarProps = {
  readonly input: RefObject<HTMLInputElement | null>;
  readonly text: string;
  /** Which of those that were found is the one that was gone to, from 1 on; 0 for none. */
  readonly at: number;
  readonly count: number;
  readonly onText: (text: string) => void;
  readonly onStep: (step: 1 | -1) => void;
  readonly onLeave: () => void;
};

/** Looks for a text in what is held. */
export function SearchBar({ input, text, at, count, onText, onStep, onLeave }: SearchBarProps) {
  const id = useId();
  return (
    <div class="message-search field" role="search" aria-label="Messages that are loaded">
      <label for={id}>Find</label>
      <div class="message-search-line">
        <input
          id={id}
          ref={input}
          type="search"
          value={text}
          placeholder="text in what is loaded (/)"
          autocomplete="off"
          spellcheck={false}
          onInput={({ currentTarget }) => onText(currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter") {
              event.preventDefault();
              onStep(event.shiftKey ? -1 : 1);
            } else if (event.key === "Escape") {
              event.preventDefault();
              onText("");
              onLeave();
            }
          }}
        />
        <button type="button" disabled={count === 0} onClick={() => onStep(-1)} aria-label="Previous match">
          ↑
        </button>
        <button type="button" disabled={count === 0} onClick={() => onStep(1)} aria-label="Next match">
          ↓
        </button>
      </div>
      <small>
        {text === "" ? "In data, subjects, headers and ids." : `${at === 0 ? "" : `${at} of `}${count} found`}
      </small>
    </div>
  );
}
