import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { BackendError } from "../../../../errors.ts";
import { adviseHugePages } from "./huge-pages.ts";
import { createRowGather } from "./row-gather.ts";

const gather = createRowGather({ threads: 2 });

function copied(table: Uint8Array, rowBytes: number, rows: readonly number[]): Uint8Array {
  const out = new Uint8Array(rows.length * rowBytes);
  rows.forEach((r, i) => out.set(table.subarray(r * rowBytes, (r + 1) * rowBytes), i * rowBytes));
  return out;
}

describe("createRowGather", () => {
  test("copies the same bytes as a plain loop, for any row size, order and offset", () => {
    fc.assert(
      fc.property(
        fc.record({
          rowBytes: fc.integer({ min: 1, max: 300 }),
          numRows: fc.integer({ min: 1, max: 40 }),
          picks: fc.array(fc.nat(), { maxLength: 200 }),
          offset: fc.nat(9),
          shared: fc.boolean(),
          signed: fc.boolean(),
        }),
        ({ rowBytes, numRows, picks, offset, shared, signed }) => {
          const size = offset + rowBytes * numRows;
          const buffer = shared ? new SharedArrayBuffer(size) : new ArrayBuffer(size);
          const table = new Uint8Array(buffer, offset);
          for (let i = 0; i < table.length; i++) table[i] = (i * 197 + 13) % 251;
          const rows = picks.map((p) => p % numRows);
          const into = new Uint8Array(offset + rows.length * rowBytes + 3).fill(255);
          const ids = signed ? Int32Array.from(rows) : Uint32Array.from(rows);
          gather(table, rowBytes, ids, into.subarray(offset));
          const end = offset + rows.length * rowBytes;
          assert.deepEqual(into.slice(offset, end), copied(table, rowBytes, rows));
          assert.ok(into.subarray(0, offset).every((b) => b === 255));
          assert.ok(into.subarray(end).every((b) => b === 255));
        },
      ),
      { numRuns: 200 },
    );
  });

  test("sees what the table holds at each call, and keeps two tables apart", () => {
    const tables = [new Uint8Array(64).fill(1), new Uint8Array(64).fill(2)];
    const into = new Uint8Array(16);
    for (let round = 3; round < 9; round++)
      for (const table of tables) {
        table.fill(table[0]! + 10, 16, 32);
        gather(table, 16, Uint32Array.of(1), into);
        assert.ok(into.every((b) => b === table[0]! + 10));
        table.fill(round * table[0]!);
      }
  });

  test("a row outside the table, too short a target, and rows that do not fit are refused", () => {
    const table = new Uint8Array(40);
    const into = new Uint8Array(20).fill(7);
    const wrong: [Uint8Array, number, Uint32Array | Int32Array, Uint8Array][] = [
      [table, 10, Uint32Array.of(0, 4), into],
      [table, 10, Uint32Array.of(2 ** 32 - 1), into],
      [table, 10, Int32Array.of(-1), into],
      [table, 10, Uint32Array.of(0, 1, 2), into],
      [table, 7, Uint32Array.of(0), into],
      [table, 0, Uint32Array.of(0), into],
    ];
    for (const args of wrong) assert.throws(() => gather(...args), BackendError);
    assert.ok(into.every((b) => b === 7));
  });

  test("reaches rows beyond 4 GiB", (t) => {
    const bytes = 2 ** 32 + 2 ** 20;
    let table: Uint8Array;
    try {
      table = new Uint8Array(new SharedArrayBuffer(bytes));
    } catch {
      t.skip("no address space for a table of 4 GiB here");
      return;
    }
    const last = bytes / 64 - 1;
    table.fill(9, bytes - 64);
    table.fill(5, 2 ** 32, 2 ** 32 + 64);
    const into = new Uint8Array(192);
    gather(table, 64, Uint32Array.of(last, 2 ** 26, 0), into);
    assert.deepEqual([into[0], into[63], into[64], into[127], into[128]], [9, 9, 5, 5, 0]);
  });
});

describe("adviseHugePages", () => {
  test("takes any buffer and leaves its bytes alone", () => {
    for (const buffer of [
      new ArrayBuffer(0),
      new ArrayBuffer(10),
      new SharedArrayBuffer(2 ** 23),
    ]) {
      new Uint8Array(buffer).fill(3);
      const taken = adviseHugePages(buffer);
      assert.ok(process.platform === "linux" || !taken);
      assert.ok(new Uint8Array(buffer).every((b) => b === 3));
    }
  });
});
