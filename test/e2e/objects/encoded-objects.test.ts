import { buffer } from "node:stream/consumers";
import { brotliDecompressSync, gunzipSync, gzipSync } from "node:zlib";

import { expect } from "vitest";

import { sharingServer } from "../server/fixtures.ts";
import { responseTo, send } from "../server/send.ts";

/** What a client makes of an answer that may be encoded. */
function decoded(body: Buffer, coding: string | undefined): Buffer {
  return coding === "gzip" ? gunzipSync(body) : coding === "br" ? brotliDecompressSync(body) : body;
}

const test = sharingServer();

test.for([
  undefined,
  "",
  "gzip",
  "gzip, deflate, br",
  "deflate, gzip;q=0.5",
  "identity",
  "identity;q=1, *;q=0",
  "br, gzip",
  "br",
  "*",
])(
  "a range of what rests encoded is a part as it rests, or all of it, to who takes %j",
  async (accepted, { server }) => {
    const path = `/r2/encoded-for-${encodeURIComponent(String(accepted))}`;
    const plain = Buffer.from("text that something on the way may well want to compress. ".repeat(50));
    const encoded = gzipSync(plain);
    const headers = { "Content-Length": encoded.byteLength, "Content-Encoding": "gzip", "Content-Type": "text/plain" };
    const put = send(server, "PUT", path, headers);
    put.end(encoded);
    expect((await responseTo(put)).statusCode).toBe(201);

    const get = send(server, "GET", path, {
      Range: "bytes=10-",
      ...(accepted === undefined ? {} : { "Accept-Encoding": accepted }),
    });
    get.end();
    const response = await responseTo(get);
    const body = await buffer(response);

    if (response.statusCode === 206) {
      expect(body).toEqual(encoded.subarray(10));
      expect(response.headers["content-encoding"]).toBe("gzip");
    } else {
      expect(response.statusCode).toBe(200);
      expect(decoded(body, response.headers["content-encoding"])).toEqual(plain);
    }
    expect(response.headers["vary"]).toBe("Accept-Encoding");
  },
);
