import assert from "node:assert/strict";
import test from "node:test";
import { storeConformance } from "../../../../test/conformance/store.ts";
import { StoreError } from "../../../errors.ts";
import { RamStore, type RowStore } from "../../index.ts";
import { SideBySideStore } from "./side-by-side.ts";

for (const isSlow of [false, true])
  storeConformance(`side by side, ${isSlow ? "one part slow" : "both at hand"}`, {
    makeStore: async ({ numRows, rowBytes, rows }) => {
      const first = Math.floor(rowBytes / 3);
      const widths = first === 0 ? [rowBytes] : [first, rowBytes - first];
      let from = 0;
      const parts: RowStore[] = [];
      for (const [i, width] of widths.entries()) {
        const ram = new RamStore({ numRows, rowBytes: width });
        for (const [row, bytes] of rows)
          ram.writeSync(Uint32Array.of(row), bytes.subarray(from, from + width));
        from += width;
        if (isSlow && i === 1) ram.readNow = () => false;
        parts.push(ram);
      }
      return { store: new SideBySideStore(parts) };
    },
    skipLarge: true,
  });

test("a part that fails fails the read, once no other is under way", async () => {
  let isOver = false;
  const part = (read: RowStore["read"]): RowStore => ({
    numRows: 3,
    rowBytes: 2,
    read,
    close: async () => undefined,
  });
  const store = new SideBySideStore([
    part(async () => {
      throw new StoreError("the scales are gone");
    }),
    part(async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      isOver = true;
    }),
  ]);
  await assert.rejects(store.read(Uint32Array.of(1), new Uint8Array(4)), /scales are gone/);
  assert.equal(isOver, true);
  assert.throws(() => new SideBySideStore([]), /as many rows/);
});
