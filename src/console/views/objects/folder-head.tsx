import { visible } from "../../parts/format.ts";

import { pathOf } from "./keys.ts";
import { folderHref } from "./places.ts";

/** The heading of a folder or an object, with the way to the folders above it. */
export function FolderHead({ folder, name }: { folder: string; name?: string }) {
  const path = pathOf(folder);
  const above = name === undefined ? path.slice(0, -1) : path;
  const title = name ?? path.at(-1)?.name;
  return (
    <header>
      {title !== undefined && (
        <nav class="crumb" aria-label="Folders above">
          <a href={folderHref("")}>Objects</a>
          {above.map((each) => (
            <span key={each.folder}>
              {" / "}
              <a href={folderHref(each.folder)}>{visible(each.name)}</a>
            </span>
          ))}
        </nav>
      )}
      <h1 tabIndex={-1}>{title === undefined ? "Objects" : visible(title)}</h1>
    </header>
  );
}
