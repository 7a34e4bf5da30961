import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { toBeClose } from "../../../test/conformance/close.ts";
import { leastCountedBytes } from "../../memory/index.ts";
import { countedNats, countedReadings, counter } from "./counting.ts";
import { mixture } from "./mixture.ts";

interface Golden {
  readonly vocabSize: number;
  readonly trained: number[];
  readonly scored: number[];
  readonly at: number[];
  readonly model: number[];
  readonly cases: readonly {
    readonly order: number;
    readonly nats: number[];
    readonly mixed: { readonly weights: number[]; readonly nats: number[] };
  }[];
}

const golden = JSON.parse(
  readFileSync(new URL("../../../test/golden/kneser-ney.json", import.meta.url), "utf8"),
) as Golden;
const { vocabSize, scored, at } = golden;
const trained = Uint16Array.from(golden.trained);
/** Chances are held as f32. */
const close = { rtol: 1e-6, atol: 1e-6 };

for (const { order, nats, mixed } of golden.cases)
  test(`Kneser-Ney of order ${order} is the golden one, alone and mixed with a model`, () => {
    const found = countedNats(counter(trained, { order, vocabSize })(Infinity), scored, at);
    toBeClose(found, nats, close);
    const together = mixture(Float64Array.from(golden.model), found);
    toBeClose(together.weights, mixed.weights, { rtol: 0, atol: 1e-12 });
    toBeClose(together.nats, mixed.nats, close);
  });

test("a long text is read as its parts are", () => {
  const counts = counter(trained, { order: 3, vocabSize })(Infinity);
  const long = Array.from({ length: 20 }, () => scored).flat();
  const found = countedNats(
    counts,
    long,
    Array.from({ length: long.length - 1 }, (_, i) => i + 1),
  );
  const [{ nats }] = golden.cases.filter(({ order }) => order === 3) as [(typeof golden.cases)[0]];
  for (let copy = 0; copy < 20; copy++)
    // The first two words of a copy have other words before them.
    toBeClose(
      found.slice(copy * scored.length + 2, (copy + 1) * scored.length - 1),
      nats.slice(2),
      close,
    );
});

test("less room never does better on the training text, and is kept to", () => {
  const every = Array.from({ length: trained.length - 1 }, (_, i) => i + 1);
  const build = counter(trained, { order: 4, vocabSize });
  const whole = build(Infinity);
  let before = -Infinity;
  for (const share of [1, 0.9, 0.5, 0.2]) {
    const counts = build(Math.floor(share * whole.numBytes));
    assert.ok(counts.numBytes <= share * whole.numBytes);
    const sum = countedNats(counts, trained, every).reduce((total, x) => total + x, 0);
    assert.ok(sum > before, `${share}: ${sum} after ${before}`);
    before = sum;
  }
});

test("a text that was never counted costs what a uniform guess costs", () => {
  const nothing = counter(new Uint16Array(0), { order: 3, vocabSize: 8 })(Infinity);
  toBeClose(countedNats(nothing, [1, 2, 3], [1, 2]), [Math.log(8), Math.log(8)], close);
});

test("there is no row at equal bytes where a table has no room for any", async () => {
  const stream = { tokens: trained, starts: Uint32Array.of(0), numBytes: 1 };
  const groupsAt = async (tableBytes: number): Promise<Set<string>> => {
    const readings = await countedReadings({
      trained: stream,
      vocabSize,
      text: stream,
      at: Uint32Array.of(1, 2),
      models: new Map(),
      tableBytes,
      onProgress: () => undefined,
    });
    return new Set(readings.map(({ group }) => group));
  };
  const least = leastCountedBytes({ order: 2, vocabSize });
  assert.deepEqual(await groupsAt(least - 1), new Set(["counting"]));
  assert.deepEqual(await groupsAt(least), new Set(["counting", "counting at equal bytes"]));
});
