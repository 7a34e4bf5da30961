import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { eventData } from "./sse.ts";

/** What a body of these pieces is read as, and whether its connection was closed. */
async function read(pieces: readonly Uint8Array[], { most = Infinity } = {}) {
  let isClosed = false;
  const left = [...pieces];
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const piece = left.shift();
      if (piece === undefined) controller.close();
      else controller.enqueue(piece);
    },
    cancel() {
      isClosed = true;
    },
  });
  const data: string[] = [];
  for await (const each of eventData(body)) {
    data.push(each);
    if (data.length >= most) break;
  }
  return { data, isClosed };
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

test("events are read whatever their line ends and wherever the bytes are cut", async () => {
  const expected = ["one", "two\nlines", "ünï", "", "{}"];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom("\n", "\r\n", "\r"),
      fc.array(fc.nat(80), { maxLength: 12 }),
      async (end, cuts) => {
        const text = [
          "data: one",
          "",
          ": a sign of life",
          "",
          "event: x",
          "data:two",
          "data: lines",
          "",
          "data: ünï",
          "",
          "data:",
          "",
          "data: {}",
          "",
          "data: never closed",
        ].join(end);
        const bytes = encode(text);
        const at = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length].toSorted(
          (a, b) => a - b,
        );
        const pieces = at.slice(1).map((to, i) => bytes.subarray(at[i], to));
        assert.deepEqual((await read(pieces)).data, expected);
      },
    ),
  );
});

test("leaving the loop closes the connection", async () => {
  const pieces = Array.from({ length: 9 }, (_, i) => encode(`data: ${i}\n\n`));
  const { data, isClosed } = await read(pieces, { most: 2 });
  assert.deepEqual(data, ["0", "1"]);
  assert.ok(isClosed);
});
