/** The plain objects of `workers/plain-objects.ts`: a frame for each message, both ways. */
import type { Driver, Start } from "../driver.ts";
import { fillBy, RequestWindow, windowPublisher } from "../window.ts";
import { RawWebSocket, textFrame } from "../web-socket.ts";

/** @param kind Which object: `one-row`, or `ceiling`, which stores nothing. */
export function plainObjectDriver(url: string, kind: "one-row" | "ceiling"): Driver {
  const publisher = async (streams: readonly string[], data: string) => {
    const [stream = ""] = streams;
    if (streams.length > 1) {
      throw new Error("a socket of a plain object is of one stream");
    }
    const socket = await RawWebSocket.connect(new URL(`/${kind}/${stream}`, url));
    const frame = textFrame(`{"id":1,"data":${data}}`);
    const window = new RequestWindow(() => socket.send(frame));
    socket.onFrame = () => window.answered(1);
    socket.onLost = (error) => window.fail(error);
    return windowPublisher(window, () => socket.close());
  };
  return {
    create: async () => undefined,
    // There is no way to delete one from outside; its file goes with the folder of the run.
    drop: async () => undefined,
    publisher,
    fill: (stream, data, count) => fillBy(publisher, { stream, data, count }),
    hasPositions: true,
    async follower(stream, start, onMessages) {
      const socket = await RawWebSocket.connect(new URL(`/${kind}/${stream}?after=${afterOf(start)}`, url));
      socket.onFrame = () => onMessages(1);
      return socket;
    },
  };
}

/** The bare design of `workers/bare-design.ts`. @param batch Publishes of one frame, at most. */
export function bareDesignDriver(url: string, batch: number): Driver {
  const publisher = async ([stream = ""]: readonly string[], data: string) => {
    const socket = await RawWebSocket.connect(new URL(`/bare/${stream}`, url));
    const publish = `{"id":1,"data":${data}}`;
    let frame = textFrame(publish);
    const window = new RequestWindow(() => socket.send(frame));
    socket.onFrame = () => window.answered(1);
    socket.onLost = (error) => window.fail(error);
    return {
      publish: async (count: number, open: number, latencies?: number[]) => {
        const size = Math.min(batch, open);
        frame = textFrame(size === 1 ? publish : `[${Array.from({ length: size }, () => publish).join()}]`);
        const frames = Math.ceil(count / size);
        await window.run(frames, Math.ceil(open / size), latencies);
        return frames * size;
      },
      post: (index: number) => window.post(index),
      repeated: () => 0,
      close: () => socket.close(),
    };
  };
  return { create: async () => undefined, drop: async () => undefined, publisher, fill: cannotFill };
}

const cannotFill = () => Promise.reject(new Error("the bare design is only published to"));

function afterOf(start: Start): string | number {
  if (typeof start === "object") {
    return start.stored - start.behind;
  }
  return start === "first" ? 0 : "new";
}
