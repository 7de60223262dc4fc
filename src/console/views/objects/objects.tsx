import type { SectionProps } from "../../view.ts";

import { Folder } from "./folder.tsx";
import { ObjectPage } from "./object-page.tsx";
import { FOLDER, OBJECT } from "./places.ts";

/** The objects of the server: `objects`, `objects/folder/<prefix>` and `objects/object/<key>`. */
export function Objects({ rest }: SectionProps) {
  const [kind, name = ""] = rest;
  if (kind === OBJECT) {
    return <ObjectPage key={name} objectKey={name} />;
  }
  const folder = kind === FOLDER ? name : "";
  return <Folder key={folder} folder={folder} />;
}
