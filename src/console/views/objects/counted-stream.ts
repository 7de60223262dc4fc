/**
 * The bytes of a file as a stream of slices. Each is read from the file only when it is asked for, so what the browser has
 * at hand, up to 2 MiB in Chromium, is not counted.
 *
 * @param sliceBytes Length of each slice, the last one may be shorter.
 * @param onAsked Told at each slice that is asked for how many bytes were given before it; not at the end of the file.
 */
export function countedStream(
  file: Blob,
  sliceBytes: number,
  onAsked: (givenBytes: number) => void,
): ReadableStream<Uint8Array> {
  let given = 0;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (given >= file.size) {
          controller.close();
          return;
        }
        onAsked(given);
        const slice = await file.slice(given, given + sliceBytes).arrayBuffer();
        given += slice.byteLength;
        controller.enqueue(new Uint8Array(slice));
      },
    },
    // A stream asks for one slice ahead unless it is told to keep none.
    { highWaterMark: 0 },
  );
}
