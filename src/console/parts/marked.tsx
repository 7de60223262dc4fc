import { partsOf } from "./find.ts";
import { visible } from "./format.ts";

/** Text of a message, in which what somebody looks for is marked. */
export function Marked({ text, query = "" }: { text: string; query?: string }) {
  return (
    <>
      {partsOf(text, query).map((part, index) =>
        index % 2 === 0 ? visible(part) : <mark key={index}>{visible(part)}</mark>,
      )}
    </>
  );
}
