import { useEffect, useState } from "preact/hooks";

import type { CallOptions, DurableStream } from "../../../../rpc/client.ts";
import type { ObjectInfo } from "../../../../rpc/index.ts";
import { formatBytes, visible } from "../../parts/format.ts";
import { Json } from "../../parts/json.tsx";
import { ErrorNotice } from "../../parts/notice.tsx";
import { useCall } from "../../parts/use-call.ts";

/** What is shown: more is a download. */
const MOST_TEXT_BYTES = 256_000;
const MOST_IMAGE_BYTES = 5_000_000;

/** Formats of pixels only. An SVG is a document, which may hold scripts: it is shown as the text that it is. */
const IMAGES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"]);

type Kind = "image" | "text" | "large";

/** A small image, or the text of a small object. Nothing that an object holds is ever markup here. */
export function Preview({ info }: { info: ObjectInfo }) {
  const kind = kindOf(info);
  return (
    <section aria-label="Preview">
      <h2>Preview</h2>
      {kind === "large" && (
        <p class="empty">
          Previews are of images up to {formatBytes(MOST_IMAGE_BYTES)} and of text up to {formatBytes(MOST_TEXT_BYTES)}.
          Download it to see it.
        </p>
      )}
      {kind === "image" && <ImagePreview info={info} />}
      {kind === "text" && <TextPreview info={info} />}
    </section>
  );
}

function mediaTypeOf({ contentType }: ObjectInfo): string {
  return (contentType.split(";", 1)[0] ?? "").trim().toLowerCase();
}

function kindOf(info: ObjectInfo): Kind {
  if (IMAGES.has(mediaTypeOf(info))) {
    return info.size <= MOST_IMAGE_BYTES ? "image" : "large";
  }
  return info.size <= MOST_TEXT_BYTES ? "text" : "large";
}

function ImagePreview({ info }: { info: ObjectInfo }) {
  const { value, error } = useCall((client, options) => imageOf({ client, info }, options), [info.key, info.etag]);
  const [url, setUrl] = useState<string | undefined>();
  const [isBroken, setBroken] = useState(false);
  useEffect(() => {
    if (value === undefined) {
      return undefined;
    }
    const made = URL.createObjectURL(value);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [value]);
  return (
    <>
      <ErrorNotice error={error} />
      {value === undefined && error === undefined && <p class="empty">Reading…</p>}
      {isBroken && <p class="empty">This is no image that the browser can show.</p>}
      {url !== undefined && !isBroken && (
        <img class="preview" src={url} alt={`Preview of ${visible(info.key)}`} onError={() => setBroken(true)} />
      )}
    </>
  );
}

async function imageOf(
  { client, info }: { client: DurableStream; info: ObjectInfo },
  options: CallOptions,
): Promise<Blob> {
  const { body, size } = await client.objects.get(info.key, options);
  if (size > MOST_IMAGE_BYTES) {
    await body.cancel();
    throw new Error("it was replaced by a larger one meanwhile; reload");
  }
  // The type is one of ours, whatever the object says it is by now.
  return new Blob([await new Response(body).arrayBuffer()], { type: mediaTypeOf(info) });
}

function TextPreview({ info }: { info: ObjectInfo }) {
  const { value, error } = useCall(
    (client, options) => client.getObject({ key: info.key }, options),
    [info.key, info.etag],
  );
  if (value === undefined) {
    return error === undefined ? <p class="empty">Reading…</p> : <ErrorNotice error={error} />;
  }
  if (value.encoding !== "utf8") {
    return <p class="empty">It is not text. Download it to see it.</p>;
  }
  if (value.data === "") {
    return <p class="empty">It is empty.</p>;
  }
  const json = jsonOf(value.data, mediaTypeOf(info));
  return json === undefined ? (
    <pre class="text">{visible(value.data)}</pre>
  ) : (
    <div class="json">
      <Json value={json.value} />
    </div>
  );
}

/** The value of a text that says it is JSON, and is. */
function jsonOf(text: string, mediaType: string): { value: unknown } | undefined {
  if (!/^(?:application|text)\/(?:[\w.-]+\+)?json$/.test(mediaType)) {
    return undefined;
  }
  try {
    const value: unknown = JSON.parse(text);
    return { value };
  } catch {
    // Safe: it is shown as text.
    return undefined;
  }
}
