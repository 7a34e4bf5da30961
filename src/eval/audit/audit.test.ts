import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { toBeClose } from "../../../test/conformance/close.ts";
import { randomModel, smallConfig, smallEngram } from "../../../test/models/random-model.ts";
import { servedModel } from "../../../test/models/served-model.ts";
import { InvalidConfigError } from "../../errors.ts";
import { Scorer } from "../../inference/index.ts";
import { Model } from "../../opened-model.ts";
import { referenceBackend } from "../../tensor/index.ts";
import { packDocuments } from "../../training/index.ts";
import { audit } from "./audit.ts";
import { auditSvg } from "./audit-svg.ts";
import { bitsPerByteOfStream } from "../bits-per-byte.ts";
import { firstTokens } from "./first-tokens.ts";
import { pathsOf } from "./paths.ts";

const model = await servedModel({ contextSize: 32 });
const without = await servedModel({ contextSize: 16, hasMemory: false });
after(() => Promise.all([model.close(), without.close()]));
const { tokenizer } = model;
const memory = model.rows!;

/** The same sizes, and other rows. */
const donor = new Model("models/donor", {
  tokenizer,
  language: { ...model.language, memory: (await otherMemory(1)).memory! },
  ownsBackend: false,
});

function otherMemory(seed: number) {
  const { vocabSize } = tokenizer;
  return randomModel(referenceBackend(), {
    ...smallConfig,
    vocabSize,
    engram: { ...smallEngram, compressedVocabSize: vocabSize, seed },
  });
}

const pack = (...texts: string[]) =>
  packDocuments(
    texts.map((text) => ({ text })),
    tokenizer,
  );
const text = await pack("the cat sat on the mat ü and THE Cat sat again ".repeat(60), "the end");
const trained = await pack("the cat sat on the mat and the Cat sat on THE mat again ".repeat(30));
const everything = { text, trained, without, donor };
const report = await audit(model, everything);
const row = (name: string) => report.rows.find((one) => one.name === name)!;

describe("an audit", () => {
  test("has every control in its table", () => {
    assert.deepEqual(
      report.rows.filter(({ group }) => !group.startsWith("counting")).map(({ name }) => name),
      [
        "on",
        "off",
        "without",
        "rows shuffled",
        "rows' mean",
        "noise of rows' lengths",
        "donor's table",
        "gate at its mean",
        "gate at 0.5",
        "order 2 alone",
        "order 3 alone",
        "head 0 alone",
        "head 1 alone",
      ],
    );
    for (const group of ["counting", "counting at equal bytes"])
      assert.deepEqual(
        report.rows.filter((one) => one.group === group).map(({ name }) => name),
        [2, 3, 4, 5].flatMap((order) =>
          ["", "on + ", "off + ", "without + "].map((of) => `${of}Kneser-Ney ${order}`),
        ),
      );
    const own = report.rows.filter(({ group }) => !group.startsWith("counting"));
    const figures = new Set(own.map(({ bitsPerByte }) => bitsPerByte));
    assert.equal(figures.size, own.length, "no two controls are the same reading");
  });

  test("counts bits as `engram eval` does, on the same tokens", async () => {
    for (const [name, of, isOn] of [
      ["on", model, true],
      ["off", model, false],
      ["without", without, false],
    ] as const) {
      const expected = await bitsPerByteOfStream(of, text, { memory: isOn });
      toBeClose([row(name).bitsPerByte], [expected.bitsPerByte], { rtol: 1e-6, atol: 0 });
      assert.equal(report.tokens, expected.tokens);
      assert.equal(report.bytes, expected.bytes);
    }
  });

  test("tells differences that its figures have, with an interval around each", () => {
    const [base, ...others] = report.rows;
    assert.equal(base!.difference, null);
    assert.equal(base!.name, report.base);
    const nats = (bitsPerByte: number) => (bitsPerByte * Math.LN2 * report.bytes) / report.tokens;
    for (const { bitsPerByte, natsPerToken, difference } of others) {
      toBeClose([nats(bitsPerByte)], [natsPerToken], { rtol: 1e-9, atol: 0 });
      toBeClose([difference!.bitsPerByte], [bitsPerByte - base!.bitsPerByte], {
        rtol: 1e-6,
        atol: 1e-9,
      });
      toBeClose([difference!.natsPerToken], [natsPerToken - base!.natsPerToken], {
        rtol: 1e-6,
        atol: 1e-9,
      });
      assert.ok(difference!.plusMinusBitsPerByte! > 0);
    }
    assert.ok(report.blocks >= 2);
  });

  test("prunes counts to the bytes of the table, and mixes by weights that it tells", () => {
    const tableBytes = memory.tables.reduce(
      (n, { store }) => n + store.numRows * store.rowBytes,
      0,
    );
    assert.equal(report.tableBytes, tableBytes);
    for (const { group, counted, weights, name } of report.rows) {
      assert.equal(weights !== undefined, name.includes("+"));
      if (counted === undefined) continue;
      if (group === "counting at equal bytes") assert.ok(counted.bytes <= tableBytes);
      for (const weight of weights ?? []) assert.ok(weight >= 0 && weight <= 1);
    }
  });

  test("its classes hold every token once, and their means add up to the whole", () => {
    for (const by of ["training", "window"] as const)
      for (const order of [2, 3]) {
        const own = report.classes.filter((one) => one.by === by && one.order === order);
        assert.ok(own.length > 1);
        const sum = (of: (one: (typeof own)[number]) => number): number =>
          own.reduce((total, one) => total + one.tokens * of(one), 0);
        assert.equal(
          sum(() => 1),
          report.tokens,
        );
        toBeClose(
          [sum(({ natsPerToken }) => natsPerToken) / report.tokens],
          [row("on").natsPerToken],
          {
            rtol: 1e-6,
            atol: 0,
          },
        );
        toBeClose(
          [sum(({ differences }) => differences["off"]!.mean) / report.tokens],
          [row("off").difference!.natsPerToken],
          { rtol: 1e-5, atol: 1e-8 },
        );
      }
  });

  test("finds the text's own copies, and what each model copies", () => {
    assert.deepEqual(
      report.copied.map(({ name }) => name),
      [
        "the text itself",
        ...["on", "off", "without"].flatMap((name) => [`${name}, greedy`, `${name}, drawn`]),
      ],
    );
    const [own] = report.copied;
    assert.ok(own!.longest.tokens >= report.leastCopiedTokens);
    assert.ok(
      "the cat sat on the mat and the Cat sat on THE mat again "
        .repeat(2)
        .includes(own!.longest.text),
    );
    assert.equal(own!.longest.characters, own!.longest.text.length);
  });

  test("is the same again with the same seed", async () => {
    assert.deepEqual(await audit(model, everything), report);
  });

  test("asks for nothing that is not there", async () => {
    const alone = await audit(model, { text });
    assert.deepEqual(alone.copied, []);
    assert.equal(alone.trained, null);
    assert.ok(alone.classes.every(({ by }) => by === "window"));
    const backbone = await audit(without, { text, trained });
    assert.equal(backbone.base, "model");
    assert.deepEqual(backbone.gates, {});
    assert.deepEqual(
      backbone.rows.filter(({ group }) => group !== "counting").map(({ name }) => name),
      ["model"],
    );
  });
});

test("the chances of every path sum to one over the vocabulary", async () => {
  const gates = new Map([[1, 0.3]]);
  const paths = await pathsOf(model, { text, gates, mixture: [], donor, seed: 0 });
  assert.equal(paths.length, 10);
  const { vocabSize } = tokenizer;
  const readings = [
    ["on", model.language, {}],
    ["off", model.languageModel({ memory: false }), {}],
    ["without", without.language, {}],
    ...paths.map(({ name, view }) => [name, model.language, view] as const),
  ] as const;
  for (const [name, language, view] of readings) {
    await using scorer = await Scorer.create(language, { probs: true, batch: 2, view });
    for await (const { tokens, losses } of scorer.batches(text, { maxTokens: 60 }))
      for (const { at, label } of tokens) {
        const chances = (scorer.probs!.data as Float32Array).subarray(
          at * vocabSize,
          (at + 1) * vocabSize,
        );
        const sum = chances.reduce((total, p) => total + p, 0);
        assert.ok(Math.abs(sum - 1) < 1e-5, `${name}: ${sum}`);
        toBeClose([Math.exp(-losses[at]!)], [chances[text.tokens[label]!]!], {
          rtol: 1e-4,
          atol: 1e-9,
        });
      }
  }
});

test("models that do not belong together, and empty texts, are refused", async () => {
  const chatting = await servedModel({ specialTokens: ["<|endoftext|>", "<|user|>"] });
  after(() => chatting.close());
  const refused = async (options: Parameters<typeof audit>[1], message: RegExp): Promise<void> => {
    await assert.rejects(audit(model, options), (error: Error) => {
      assert.ok(error instanceof InvalidConfigError, `${error}`);
      assert.match(error.message, message);
      return true;
    });
  };
  await refused({ text, without: chatting }, /another tokenizer/);
  await refused({ text, donor: chatting }, /another tokenizer/);
  await refused({ text, without: model }, /has a memory; name a model that was trained without/);
  await refused({ text, donor: without }, /cannot lend its memory.*none there/);
  const empty = { tokens: Uint16Array.of(0), starts: Uint32Array.of(0), numBytes: 0 };
  await refused({ text: empty }, /is empty/);
});

test("an audit stops where it is", async () => {
  for (const stopAt of [
    "on",
    "rows shuffled",
    "reading",
    "counting the training text: Kneser-Ney 4",
    "classes",
    "on, drawn",
    "looking",
  ]) {
    const controller = new AbortController();
    const seen: string[] = [];
    const onProgress = (what: string): void => {
      seen.push(what);
      if (what.startsWith(stopAt)) controller.abort(new Error("stopped"));
    };
    await assert.rejects(
      audit(model, { text, trained, onProgress, signal: controller.signal }),
      /stopped/,
      stopAt,
    );
    assert.ok(
      seen.at(-1)!.startsWith(stopAt) || stopAt === "on, drawn",
      `${stopAt}: ${seen.at(-1)}`,
    );
  }
});

test("the first tokens of a text have the bytes of their own text", async () => {
  const whole = await pack("the cat ü", "THE mat");
  assert.equal(firstTokens(whole, 1000, model), whole);
  const secondStart = whole.starts[1]!;
  const first = firstTokens(whole, secondStart, model);
  assert.equal(first.numBytes, new TextEncoder().encode("the cat ü").length);
  assert.deepEqual([...first.starts], [0]);
  assert.equal(firstTokens(whole, secondStart + 1, model).numBytes, first.numBytes);
});

describe("the picture of an audit", () => {
  const title = 'a "title" & <script>\u0007\ud800';
  const svg = auditSvg(report, { title });

  test("is whole XML, whatever the names in it are", () => {
    const open: string[] = [];
    const rest = svg.replaceAll(
      /<(\/?)([a-z]+)((?: [a-zA-Z0-9-]+="[^"<&]*(?:&(?:amp|lt|gt|quot);[^"<&]*)*")*)(\/?)>/g,
      (_, close, name, __, self) => {
        if (close === "/") assert.equal(open.pop(), name);
        else if (self !== "/") open.push(name);
        return "";
      },
    );
    assert.deepEqual(open, []);
    assert.doesNotMatch(rest.replaceAll(/&(?:amp|lt|gt|quot);/g, ""), /[<>&]/);
    assert.match(svg, /a &quot;title&quot; &amp; &lt;script&gt;\ufffd\ufffd/);
    assert.doesNotMatch(svg, /NaN|Infinity|undefined|null/);
  });

  test("has a point for each figure, inside, at the place of its value", () => {
    const points = [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)];
    const ofClasses = report.classes.reduce(
      (n, { differences }) => n + Object.keys(differences).length,
      0,
    );
    assert.equal(points.length, report.rows.length + ofClasses);
    const [width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg)!.slice(1).map(Number) as [
      number,
      number,
    ];
    for (const [, x, y] of points) assert.ok(Number(x) < width && Number(y) < height);
    // Points of one plot lie on a line through their values.
    const values = report.rows.map(({ difference }) => difference?.bitsPerByte ?? 0);
    const xs = points.slice(0, values.length).map(([, x]) => Number(x));
    const sizes = values.map(Math.abs);
    const far = sizes.indexOf(Math.max(...sizes));
    const scale = (xs[far]! - xs[0]!) / values[far]!;
    for (const [i, value] of values.entries())
      toBeClose([xs[i]!], [xs[0]! + scale * value], { rtol: 0, atol: 0.2 });
  });
});
