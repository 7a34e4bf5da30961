import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { toBeClose } from "../../test/conformance/close.ts";
import { contrast, estimate, verdictOf } from "./paired.ts";

interface Golden {
  readonly cases: readonly {
    readonly arms: Readonly<Record<string, readonly number[]>>;
    readonly difference: Readonly<Record<string, number>>;
    readonly low: number;
    readonly high: number;
  }[];
}

// By SciPy: reference/make_paired_golden.py.
const golden = JSON.parse(
  readFileSync(new URL("../../test/golden/paired-seeds.json", import.meta.url), "utf8"),
) as Golden;

test("differences paired over seeds, and differences of differences, have SciPy's intervals", () => {
  assert.equal(golden.cases.length, 8);
  for (const { arms, difference, low, high } of golden.cases) {
    // Seeds in any order: they are paired by name.
    const bySeed = contrast(difference, (arm) => {
      const entries = arms[arm]!.map((value, i) => [100 + i, value] as const);
      return new Map(arm === "a" ? entries.toReversed() : entries);
    });
    const found = estimate([...bySeed.values()])!;
    assert.equal(found.seeds, arms["a"]!.length);
    toBeClose([found.mean - found.plusMinus!, found.mean + found.plusMinus!], [low, high], {
      rtol: 1e-7,
      atol: 1e-9,
    });
  }
});

test("a seed that an arm lacks is in no difference, and one seed has no interval", () => {
  const figures = new Map([
    [
      "a",
      new Map([
        [0, 2],
        [1, 3],
      ]),
    ],
    [
      "b",
      new Map([
        [1, 5],
        [2, 9],
      ]),
    ],
  ]);
  const bySeed = contrast({ b: 1, a: -1 }, (arm) => figures.get(arm)!);
  assert.deepEqual([...bySeed], [[1, 2]]);
  assert.deepEqual(estimate([2]), { mean: 2, plusMinus: null, seeds: 1 });
  assert.equal(estimate([]), undefined);
});

test("a prediction holds by its whole interval, is refuted by its whole interval, and else is open", () => {
  const of = (mean: number, plusMinus: number | null) => ({ mean, plusMinus, seeds: 3 });
  const atMost = { kind: "atMost", value: -0.01 } as const;
  const atLeast = { kind: "atLeast", value: -0.01 } as const;
  for (const [found, below, above] of [
    [of(-0.03, 0.01), "holds", "refuted"],
    [of(0.02, 0.01), "refuted", "holds"],
    [of(-0.012, 0.01), "undecided", "undecided"],
    [of(-0.03, null), "undecided", "undecided"],
    [undefined, "undecided", "undecided"],
  ] as const) {
    assert.equal(verdictOf(found, atMost), below);
    assert.equal(verdictOf(found, atLeast), above);
  }
});
