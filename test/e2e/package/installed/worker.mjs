// The tour in a Worker, told in the body of its response; package.test.ts runs it.
import { tour } from "./tour.mjs";

export default {
  fetch(_request, { URL: url, TOKEN: token }, context) {
    const { readable, writable } = new TransformStream();
    const writer = writable.getWriter();
    const encoder = new TextEncoder();
    const tell = (line) => writer.write(encoder.encode(`${line}\n`));
    context.waitUntil(
      tour({ url, token, runtime: "Workers", tell }).then(
        () => writer.close(),
        (error) => writer.abort(error),
      ),
    );
    // Any other type is held back until there is enough of it to compress.
    return new Response(readable, { headers: { "Content-Type": "text/event-stream" } });
  },
};
