/** Forecasts against what they forecast, on stores whose latency is known because their clock is made up. */
import assert from "node:assert/strict";
import test from "node:test";
import { randomModel, smallConfig, smallEngram } from "../test/models/random-model.ts";
import { forecastTiers, usualHitRates } from "./doctor.ts";
import { Decoder } from "./inference/index.ts";
import { forecast, timeRows } from "./machine/index.ts";
import { numColumns, type RowStore } from "./memory/index.ts";
import { referenceBackend } from "./tensor/index.ts";

/** A disk on a clock of its own: a millisecond for every read, and a tenth for each row, one after the other. */
class SyntheticDisk {
  now = 0;
  #busyUntil = 0;

  store(inner: RowStore): RowStore {
    return {
      numRows: inner.numRows,
      rowBytes: inner.rowBytes,
      read: async (rows, into) => {
        this.#busyUntil = Math.max(this.now, this.#busyUntil) + 0.1 * rows.length;
        const end = this.#busyUntil + 1;
        await inner.read(rows, into);
        this.now = Math.max(this.now, end);
      },
      close: () => inner.close(),
    };
  }
}

test("a session waits for a store of known latency as long as was forecast, within a tenth", async () => {
  const engram = { ...smallEngram, layerIds: [0, 1], minBucketRows: [3001, 5003] };
  const model = await randomModel(referenceBackend(), { ...smallConfig, engram });
  const disk = new SyntheticDisk();
  const memory = model.memory!.withTables((table) => ({
    ...table,
    store: disk.store(table.store),
  }));
  const misses = await timeRows(memory.tables[0]!.store, { milliseconds: 50, now: () => disk.now });
  const rowsPerToken = 2 * numColumns(engram);
  const { stall } = forecast({
    rowsPerToken,
    memory: [{ rows: 1, mean: 0, p99: 0 }],
    misses,
    hitRate: 0,
  });
  assert.ok(Math.abs(stall.mean - (1 + 0.1 * rowsPerToken)) < 1e-9);
  const session = new Decoder({ ...model, memory }).createSession();
  const start = disk.now;
  const numTokens = 24;
  for (let i = 0; i < numTokens; i++) await session.append([(i * 17) % smallConfig.vocabSize]);
  const measured = (disk.now - start) / numTokens;
  assert.ok(
    measured <= stall.mean + 1e-9 && measured > 0.9 * stall.mean,
    `forecast ${stall.mean} ms, measured ${measured} ms`,
  );
});

const input = {
  tableBytes: 1000,
  otherBytes: 100,
  availableBytes: 400,
  rowsPerToken: 16,
  compute: { mean: 5, p99: 6 },
  memory: [{ rows: 16, mean: 0.01, p99: 0.02 }],
  warm: [{ rows: 16, mean: 0.1, p99: 0.2 }],
  cold: [{ rows: 16, mean: 3, p99: 9 }],
};

test("tiers say what fits and what waits, and a smaller cache is never forecast to be faster", () => {
  const tiers = forecastTiers(input);
  assert.deepEqual(
    tiers.map(({ tier, fits, stalls }) => ({ tier, fits, stalls })),
    [
      { tier: "memory", fits: false, stalls: false },
      { tier: "cache of 1/4", fits: true, stalls: true },
      { tier: "cache of 1/16", fits: true, stalls: true },
      { tier: "cache of 1/64", fits: true, stalls: true },
      { tier: "disk, in the page cache", fits: true, stalls: false },
      { tier: "disk, cold", fits: true, stalls: true },
    ],
  );
  assert.deepEqual(
    tiers.slice(0, 2).map(({ memoryBytes }) => memoryBytes),
    [1100, 350],
  );
  const speeds = tiers.slice(0, 4).map(({ tokensPerSecond }) => tokensPerSecond);
  assert.deepEqual(
    speeds,
    speeds.toSorted((a, b) => b - a),
  );
});

test("where nothing is ever cold, misses are forecast warm", () => {
  const { cold: _, ...warmOnly } = input;
  const tiers = forecastTiers(warmOnly);
  assert.equal(
    tiers.some(({ tier }) => tier === "disk, cold"),
    false,
  );
  const [, quarter] = tiers;
  assert.ok(quarter!.stall.mean < 0.2);
});

test("larger caches are said to hit more", () => {
  for (const [i, { share, hitRate }] of usualHitRates.slice(1).entries())
    assert.ok(share < usualHitRates[i]!.share && hitRate < usualHitRates[i]!.hitRate);
});
