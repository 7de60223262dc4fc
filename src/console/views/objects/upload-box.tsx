import { useEffect, useRef, useState } from "preact/hooks";

import { Notice } from "../../parts/notice.tsx";
import { useSession } from "../../session/use-session.ts";

import { UploadList } from "./upload-list.tsx";
import { uploadsOf } from "./uploads.ts";

type UploadBoxProps = { folder: string; onStored: () => void };

/** Takes files, chosen or dropped, and shows what becomes of them. They go on while other views are shown. */
export function UploadBox({ folder, onStored }: UploadBoxProps) {
  const uploads = uploadsOf(useSession().client);
  const [list, setList] = useState(uploads.list);
  const [isOver, setOver] = useState(false);
  const [refused, setRefused] = useState(false);
  useEffect(() => {
    setList(uploads.list);
    return uploads.listen(() => setList(uploads.list));
  }, [uploads]);

  const stored = list.filter(({ state }) => state.is === "stored").length;
  const before = useRef(stored);
  useEffect(() => {
    if (stored > before.current) {
      onStored();
    }
    before.current = stored;
  }, [stored]);

  const add = (files: readonly File[]) => {
    for (const file of files) {
      uploads.add(folder + file.name, file);
    }
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    const items = [...(event.dataTransfer?.items ?? [])].filter(({ kind }) => kind === "file");
    const files = items.filter((item) => item.webkitGetAsEntry()?.isDirectory !== true);
    setRefused(files.length < items.length);
    add(files.flatMap((item) => item.getAsFile() ?? []));
  };

  return (
    <section aria-label="Upload">
      <div
        class={isOver ? "drop over" : "drop"}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
      >
        <label>
          Upload files here, or drop them
          <input
            type="file"
            multiple
            onChange={({ currentTarget }) => {
              add([...(currentTarget.files ?? [])]);
              // So that the same file may be chosen again.
              currentTarget.value = "";
            }}
          />
        </label>
      </div>
      {refused && <Notice kind="info">Folders can not be dropped: drop the files in them.</Notice>}
      <UploadList list={list} uploads={uploads} />
    </section>
  );
}
