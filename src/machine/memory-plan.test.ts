import assert from "node:assert/strict";
import test from "node:test";
import * as fc from "fast-check";
import { InvalidConfigError } from "../errors.ts";
import { checkPlan, describePlan, formatBytes, type ModelSizes, planMemory } from "./index.ts";

const MiB = 2 ** 20;
const machine = { totalBytes: 2048 * MiB, availableBytes: 1024 * MiB };
const sizes: ModelSizes = {
  weightBytes: 40 * MiB,
  positionBytes: 4096,
  tables: [
    { layerId: 1, numRows: 4 * MiB, rowBytes: 64 },
    { layerId: 3, numRows: 2 * MiB, rowBytes: 64 },
  ],
};

test("a plan sums weights, keys and values, and whole tables", () => {
  const plan = planMemory(sizes, { use: { positions: 2 * 256 }, machine });
  assert.deepEqual(plan.parts, [
    { what: "weights", bytes: 40 * MiB },
    { what: "KV cache", bytes: 2 * MiB },
    { what: "2 tables", bytes: 384 * MiB },
  ]);
  assert.equal(plan.bytes, 426 * MiB);
  assert.equal(plan.fits, true);
  assert.equal(
    describePlan(plan),
    "memory: weights 40.0 MiB + KV cache 2.0 MiB + 2 tables 384.0 MiB = 426.0 MiB of 1.00 GiB available",
  );
});

test("tables that stay on disk count with their caches only", () => {
  const plan = planMemory(sizes, { use: { tableMemory: 64 * MiB }, machine });
  assert.equal(plan.bytes, 104 * MiB);
  assert.match(describePlan(plan), /2 tables cache 64 MiB \(384 MiB on disk\) = 104 MiB/);
});

test("training adds gradients and moments, state for every row, and activations", () => {
  const training = { stateBytes: 120 * MiB, rowStateBytes: 4, activationBytes: 7 * MiB };
  const plan = planMemory(sizes, { use: { training }, machine });
  const optimizer = plan.parts.find(({ what }) => what === "optimizer")!;
  assert.equal(optimizer.bytes, 3 * 40 * MiB + 4 * 6 * MiB);
  assert.equal(plan.bytes, (40 + 120 + 24 + 384 + 7) * MiB);
});

test("a plan that needs one byte more than there is is refused with every number", () => {
  const exact = planMemory(sizes, { use: {}, machine: { ...machine, availableBytes: 424 * MiB } });
  checkPlan(exact, { subject: "m", advice: "do" });
  const limited = { ...machine, availableBytes: 424 * MiB - 1, limitBytes: 512 * MiB };
  const plan = planMemory(sizes, { use: {}, machine: limited });
  assert.equal(plan.fits, false);
  assert.throws(
    () => checkPlan(plan, { subject: "models/x", advice: "use less" }),
    (error) =>
      error instanceof InvalidConfigError &&
      error.message ===
        "models/x needs 424 MiB of memory (weights 40 MiB + 2 tables 384 MiB), 424 MiB are available " +
          "(this program's control group may use 512 MiB); free some, or use less",
  );
});

test("what a plan says of its parts adds up to what it says of their sum", () => {
  const size = fc.oneof(
    fc.nat(4000),
    fc.nat(),
    fc.maxSafeNat().map((n) => Math.floor(n / 64)),
  );
  fc.assert(
    fc.property(size, size, size, size, (weightBytes, positionBytes, rows, activationBytes) => {
      const plan = planMemory(
        { weightBytes, positionBytes, tables: [{ layerId: 1, numRows: rows, rowBytes: 1 }] },
        {
          use: {
            positions: 1,
            training: { stateBytes: 3 * weightBytes, rowStateBytes: 4, activationBytes },
          },
          machine,
        },
      );
      const text = describePlan(plan).replaceAll(",", "");
      const [, parts, sum] = /^memory: (.*) = (.*) of /.exec(text)!;
      const units = new Set<string>();
      const inSteps = (part: string): bigint => {
        const [, whole, rest = "", unit] = /(\d+)(?:\.(\d+))? (\w+)$/.exec(part)!;
        units.add(`${rest.length} ${unit}`);
        return BigInt(whole + rest);
      };
      const added = parts!.split(" + ").reduce((n, part) => n + inSteps(part), 0n);
      assert.equal(added, inSteps(sum!), text);
      assert.equal(units.size, 1, text);
    }),
    { numRuns: 1000 },
  );
});

test("bytes are written with three digits", () => {
  const cases: [number, string][] = [
    [0, "0 bytes"],
    [812, "812 bytes"],
    [1023, "1023 bytes"],
    [1024, "1.00 KiB"],
    [1024 * 1024 - 1, "1.00 MiB"],
    [28.4 * MiB, "28.4 MiB"],
    [384_006_168 * 264, "94.4 GiB"],
  ];
  for (const [bytes, text] of cases) assert.equal(formatBytes(bytes), text);
});
