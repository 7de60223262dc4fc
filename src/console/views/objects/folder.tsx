import { useState } from "preact/hooks";

import { ListObjectsParams } from "../../../../rpc/index.ts";
import { CheckField, TextField } from "../../parts/field.tsx";
import { faultOf } from "../../parts/valid.ts";

import { FolderHead } from "./folder-head.tsx";
import { Listing } from "./listing.tsx";
import { UploadBox } from "./upload-box.tsx";

/** The objects and folders of a folder, by the beginning of their names. */
export function Folder({ folder }: { folder: string }) {
  const [search, setSearch] = useState("");
  const [isFlat, setFlat] = useState(false);
  const [changes, setChanges] = useState(0);
  const prefix = folder + search;
  const fault = faultOf(ListObjectsParams.entries.prefix, prefix);
  return (
    <>
      <FolderHead folder={folder} />
      <UploadBox folder={folder} onStored={() => setChanges((before) => before + 1)} />
      <div class="bar">
        <TextField
          label="Name begins with"
          kind="search"
          value={search}
          onInput={setSearch}
          error={fault}
          hint="Upper and lower case differ; a slash leads into folders."
        />
        <CheckField label="Without folders: every key" isChecked={isFlat} onInput={setFlat} />
      </div>
      {fault === undefined && (
        <Listing
          key={JSON.stringify([prefix, isFlat])}
          folder={folder}
          prefix={prefix}
          isFlat={isFlat}
          changes={changes}
        />
      )}
    </>
  );
}
