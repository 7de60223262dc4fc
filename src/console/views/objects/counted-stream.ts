/** The bytes of a file as a stream, with how many of them were read so far told at each piece. */
export function countedStream(file: Blob, onRead: (bytes: number) => void): ReadableStream<Uint8Array> {
  let read = 0;
  const counting = new TransformStream<Uint8Array, Uint8Array>({
    transform(piece, controller) {
      read += piece.byteLength;
      onRead(read);
      controller.enqueue(piece);
    },
  });
  return file.stream().pipeThrough(counting);
}
