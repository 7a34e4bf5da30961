/** Packs: built from texts, checked, refused when damaged, read beside a model's memory, and taken off exactly. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import * as fc from "fast-check";
import { buildPack } from "../../src/build-pack.ts";
import { countedSources } from "../../src/at-rest/index.ts";
import { fingerprintOf } from "../../src/facts/node/index.ts";
import {
  FormatError,
  InvalidConfigError,
  loadModel,
  type Model,
  RequestError,
} from "../../src/index.ts";
import {
  BlendedCounts,
  buildCountedTable,
  CountedMemory,
  evidenceWidth,
  sortByContext,
  tableInRam,
  type TokenSpan,
  withVocabulary,
} from "../../src/memory/index.ts";
import { conflictsOf } from "../../src/packs/index.ts";
import { PackFile, writePack } from "../../src/packs/node/index.ts";
import { trainReader } from "../../src/train-reader.ts";
import { createServer, type EngramServer } from "../../src/server/index.ts";
import { saveModel } from "../../src/save-model.ts";
import { markOf } from "../../src/teaching/index.ts";
import { referenceBackend } from "../../src/tensor/index.ts";
import { parseTokenizerJson, toTokenizerJson, trainBpe } from "../../src/tokenizer/index.ts";
import { modelToSave, text } from "../models/model-to-save.ts";

const root = await mkdtemp(join(tmpdir(), "engram-packs-"));
after(() => rm(root, { recursive: true, force: true }));
const at = (name: string): string => join(root, name);
const backend = referenceBackend();
const order = 4;

const counting = await modelToSave({ hasMemory: false, counted: { order } });
const plain = await modelToSave({ hasMemory: false });
await saveModel(at("counting"), counting);
await saveModel(at("plain"), plain);
await writeFile(at("tokenizer.json"), counting.tokenizer);
const tokenizer = await parseTokenizerJson(counting.tokenizer);
const { vocabSize } = tokenizer;
const ids = [tokenizer.eosTokenId!, ...(await tokenizer.encode(`${text}the dog sat on the cat`))];

await writeFile(at("dogs.txt"), "the dog sat on the log and the dog ran on and on ".repeat(4));
await writeFile(
  at("cats.jsonl"),
  ["the cat sat on the mat", "again the Cat on THE mat"]
    .map((one) => JSON.stringify({ text: one }))
    .join("\n"),
);
const build = (name: string, data: string, from = "counting", maxBytes = 0) =>
  buildPack(at(from), { data: [at(data)], out: at(name), order, maxBytes });
const dogs = await build("dogs.pack", "dogs.txt");
const cats = await build("cats.pack", "cats.jsonl");

async function logitsOf(model: Model, packs?: readonly string[]): Promise<number[]> {
  await using session = model.createSession(packs && { packs });
  const said: number[] = [];
  for (const piece of [ids.slice(0, 5), ids.slice(5, 6), ids.slice(6)])
    said.push(...(await session.append(piece, { logits: "all" })).logits);
  return said;
}

const open = (name: string, ...packs: string[]): Promise<Model> =>
  loadModel(at(name), { backend, packs: packs.map(at) });

test("a pack has the counts of its text, says what it is of, and is the same bytes each time", async () => {
  await using file = await PackFile.open(at("cats.pack"));
  const { info } = file;
  const { table, id } = await file.read();
  const documents = ["the cat sat on the mat", "again the Cat on THE mat"];
  const tokens: number[] = [];
  const starts: number[] = [];
  for (const one of documents) {
    starts.push(tokens.length);
    tokens.push(tokenizer.eosTokenId!, ...(await tokenizer.encode(one)));
  }
  const sorted = sortByContext(
    { tokens: Uint16Array.from(tokens), starts: Uint32Array.from(starts) },
    { order, vocabSize },
  );
  const { bytes, ...expected } = buildCountedTable(sorted, { vocabSize, discount: 0.5 });
  assert.deepEqual(table.offsets, expected.offsets);
  assert.deepEqual(table.unigrams, expected.unigrams);
  assert.deepEqual(table.discounts, expected.discounts);
  const buckets = new Uint8Array(bytes.length);
  await table.buckets.read(
    Uint32Array.from({ length: table.buckets.numRows }, (_, i) => i),
    buckets,
  );
  assert.deepEqual(buckets, bytes);
  const raw = await readFile(at("cats.jsonl"));
  const sha256 = createHash("sha256").update(raw).digest("hex");
  assert.deepEqual(info.texts, [{ name: "cats.jsonl", bytes: raw.length, sha256, documents: 2 }]);
  assert.equal(info.documents, 2);
  assert.equal(info.tokens, tokens.length - 2);
  assert.equal(info.vocabulary, Buffer.from(fingerprintOf(tokenizer)).toString("hex"));
  const again = await build("again.pack", "cats.jsonl", "tokenizer.json");
  assert.equal(again.id, id);
  const written = await readFile(at("again.pack"));
  assert.deepEqual(written, await readFile(at("cats.pack")));
  // Its sum stands in it, and is that of what is before it.
  assert.equal(createHash("sha256").update(written.subarray(0, -32)).digest("hex"), id);
  assert.equal(written.subarray(-32).toString("hex"), id);
  assert.deepEqual(
    (await readdir(root)).filter((name) => name.endsWith(".counting")),
    [],
  );
});

test("a pack takes the bytes that it may, and a build that stopped goes on", async () => {
  const { numBytes } = await build("small.pack", "dogs.txt", "counting", dogs.numBytes - 100);
  assert.ok(numBytes <= dogs.numBytes - 100);
  const isAbort = { name: "AbortError" };
  const stopped = { data: [at("dogs.txt")], out: at("stopped.pack"), order, maxBytes: 0 };
  await assert.rejects(
    buildPack(at("counting"), { ...stopped, signal: AbortSignal.abort() }),
    isAbort,
  );
  assert.equal((await buildPack(at("counting"), stopped)).id, dogs.id);
});

test("a damaged pack is refused, whichever byte is another or missing", async () => {
  const whole = await readFile(at("cats.pack"));
  const path = at("damaged.pack");
  const readAll = async (bytes: Uint8Array): Promise<void> => {
    await writeFile(path, bytes);
    await using file = await PackFile.open(path);
    await file.read();
  };
  await readAll(whole);
  for (let place = 0; place < whole.length; place += 19) {
    const bytes = Buffer.from(whole);
    bytes[place]! ^= 1 << (place % 8);
    await assert.rejects(readAll(bytes), FormatError, `byte ${place}`);
  }
  for (let size = 0; size < whole.length; size += 397)
    await assert.rejects(readAll(whole.subarray(0, size)), FormatError, `${size} bytes`);
});

test("a stranger's pack whose sum is right is read within bounds, or refused", async () => {
  await using file = await PackFile.open(at("dogs.pack"));
  const { table } = await file.read();
  const size = table.offsets.at(-1)!;
  const rows = Uint32Array.from({ length: table.buckets.numRows }, (_, i) => i);
  const bytes = new Uint8Array(64 * rows.length);
  await table.buckets.read(rows, bytes);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(size - 1), fc.nat(255)), { minLength: 1, maxLength: 40 }),
      fc.array(fc.nat(vocabSize - 1), { minLength: 1, maxLength: 12 }),
      async (changes, context) => {
        const other = bytes.slice();
        for (const [place, value] of changes) other[place] = value;
        const memory = new CountedMemory(tableInRam({ ...table, bytes: other }), { layerId: 1 });
        const reader = new BlendedCounts([memory, memory]).reader();
        try {
          const evidence = new Float32Array(context.length * memory.inputs[0]!.width);
          const span = { ids: context, from: 0, to: context.length };
          const { distributions } = reader.lookUp(reader.address([span]), new Map([[1, evidence]]));
          const probs = new Float32Array(vocabSize);
          distributions!.add(context.length - 1, [0, 0, 1], probs);
          assert.ok(evidence.every(Number.isFinite));
          assert.ok(probs.every((p) => p >= 0 && p <= 1.001));
          assert.ok(Math.abs(probs.reduce((sum, p) => sum + p, 0) - 1) < 1e-3);
        } catch (error) {
          assert.ok(error instanceof FormatError, String(error));
        }
      },
    ),
    { numRuns: 300 },
  );
  const { info } = file;
  const counts = countedSources(table).flat();
  for (const wrong of [
    { order: 17 },
    { vocabSize: vocabSize + 1 },
    { vocabulary: "no digest" },
    { tokens: -1 },
    { reader: { model: "0badcafe", hiddenSize: 8 } },
    { documents: 2 },
  ]) {
    const documents = new Uint32Array(3);
    await writePack(at("wrong.pack"), { info: { ...info, ...wrong }, counts, documents });
    await assert.rejects(PackFile.open(at("wrong.pack")), FormatError, JSON.stringify(wrong));
  }
  const reader = {
    hidden: new Float32Array(8 * order),
    evidence: new Float32Array(order * evidenceWidth(order)),
    bias: new Float32Array(order).fill(Infinity),
  };
  const brought = { ...info, reader: { model: "0badcafe", hiddenSize: 8 } };
  const none = new Uint32Array(0);
  await writePack(at("wrong.pack"), { info: brought, counts, reader, documents: none });
  await using infinite = await PackFile.open(at("wrong.pack"));
  await assert.rejects(infinite.read(), /wrong\.pack: "memory_mixture.bias" has numbers/);
  for (const documents of [Uint32Array.of(1, 1, 2), Uint32Array.of(1, 2, 0, 1, 1, 0)]) {
    await writePack(at("wrong.pack"), { info, counts, documents });
    await using wrong = await PackFile.open(at("wrong.pack"));
    await assert.rejects(wrong.read(), /wrong\.pack: /);
  }
});

test("a pack says its text, and is taken off to the last bit", async () => {
  await using bare = await open("counting");
  await using both = await open("counting", "dogs.pack", "cats.pack");
  assert.deepEqual(both.packs!.names, ["dogs", "cats"]);
  const expected = await logitsOf(bare);
  assert.deepEqual(await logitsOf(both, []), expected);
  const on = await logitsOf(both);
  assert.notDeepEqual(on, expected);
  assert.notDeepEqual(await logitsOf(both, ["dogs"]), on);
  assert.deepEqual(await logitsOf(both, ["dogs", "cats"]), on);
  await using alone = await open("counting", "cats.pack");
  assert.deepEqual(await logitsOf(both, ["cats"]), await logitsOf(alone));
  assert.throws(() => both.createSession({ packs: ["mice"] }), RequestError);
  assert.throws(() => bare.createSession({ packs: ["cats"] }), RequestError);
});

test("packs are refused where ids are other tokens, nothing weighs them, or the memory is off", async () => {
  const other = toTokenizerJson(await trainBpe([text.repeat(30) + "dogs"], { vocabSize: 270 }));
  await writeFile(at("other.json"), other);
  await build("other.pack", "dogs.txt", "other.json");
  await assert.rejects(open("counting", "other.pack"), (error: Error) => {
    assert.ok(error instanceof InvalidConfigError);
    return /other\.pack.*another tokenizer/.test(error.message);
  });
  await assert.rejects(open("plain", "dogs.pack"), /engram reader train/);
  await assert.rejects(open("counting", "dogs.txt"), /expected a pack.*dogs\.txt/);
  await writeFile(at("empty.json"), "");
  await assert.rejects(
    build("none.pack", "dogs.txt", "empty.json"),
    /empty\.json: Expected the JSON/,
  );
  await assert.rejects(
    loadModel(at("counting"), { backend, packs: [at("dogs.pack")], memory: false }),
    InvalidConfigError,
  );
  await assert.rejects(open("counting", "dogs.txt"), FormatError);
  await assert.rejects(open("counting", "no.pack"), /expected a pack, found no such file/);
  await assert.rejects(open("counting", "plain"), /expected a pack, found a directory/);
  await assert.rejects(open("counting", "dogs.pack", "dogs.pack"), InvalidConfigError);
});

test("a pack with a reader weighs all packs of its model, and of no other", async () => {
  await using bare = await open("plain");
  const { hiddenSize } = bare.config;
  const mark = markOf(bare.language);
  await using file = await PackFile.open(at("cats.pack"));
  const counts = countedSources((await file.read()).table).flat();
  const wave = (size: number): Float32Array =>
    Float32Array.from({ length: size }, (_, i) => Math.sin(i));
  const reader = { hidden: wave(order * hiddenSize), evidence: wave(order * 9), bias: wave(order) };
  const write = (name: string, model: string) =>
    writePack(at(name), { info: { ...file.info, reader: { model, hiddenSize } }, counts, reader });
  await write("reader.pack", mark);
  await write("stranger.pack", "0badcafe");
  await assert.rejects(open("plain", "stranger.pack"), /another model/);
  await using model = await open("plain", "reader.pack", "dogs.pack");
  const expected = await logitsOf(bare);
  assert.deepEqual(await logitsOf(model, []), expected);
  const withDogs = await logitsOf(model, ["dogs"]);
  assert.notDeepEqual(withDogs, expected);
  // What the reader was trained beside is there whenever a pack is.
  assert.deepEqual(withDogs, await logitsOf(model, ["dogs", "reader"]));
  assert.notDeepEqual(withDogs, await logitsOf(model, ["reader"]));
  await using session = model.createSession({ memory: false });
  await using off = bare.createSession({ memory: false });
  assert.deepEqual((await session.append(ids)).logits, (await off.append(ids)).logits);
});

test("a reader is trained for a model that has none: it reads packs then, and is the same each time", async () => {
  const options = {
    data: [at("dogs.txt"), at("cats.jsonl")],
    order: 3,
    maxBytes: 0,
    tokens: 1000,
    opening: { backend },
  };
  const trained = await trainReader(at("plain"), { ...options, out: at("english.pack") });
  const { alone, mixed, numSamples, info } = trained;
  // A model of random weights says nothing, counts say a lot.
  assert.ok(mixed < alone - 1, `${alone} ${mixed}`);
  assert.ok(numSamples > 100 && info.tokens === numSamples, `${numSamples} of ${info.tokens}`);
  const again = await trainReader(at("plain"), { ...options, out: at("english2.pack") });
  assert.equal(again.id, trained.id);
  await using bare = await open("plain");
  await using model = await open("plain", "dogs.pack", "english.pack");
  assert.deepEqual(await logitsOf(model, []), await logitsOf(bare));
  const lossOf = async (of: Model): Promise<number> => {
    const said = await logitsOf(of);
    let sum = 0;
    for (let i = 1; i < ids.length; i++) {
      const row = said.slice((i - 1) * vocabSize, i * vocabSize);
      sum += Math.log(row.reduce((all, logit) => all + Math.exp(logit), 0)) - row[ids[i]!]!;
    }
    return sum / (ids.length - 1);
  };
  assert.ok((await lossOf(model)) < (await lossOf(bare)) - 1);
  const refused = trainReader(at("counting"), { ...options, out: at("none.pack") });
  await assert.rejects(refused, InvalidConfigError);
});

test("tables are weighed alike however a text is read, and chances sum to one", async () => {
  const parts = await Promise.all(
    ["cats.pack", "dogs.pack"].map(async (name) => {
      await using file = await PackFile.open(at(name));
      const { table, id } = await file.read();
      const wider = withVocabulary(table, vocabSize + 3);
      return new CountedMemory(wider, { layerId: 1, identity: id, order: 3 });
    }),
  );
  const memory = new BlendedCounts(parts);
  const { width } = memory.inputs[0]!;
  const read = (
    pieces: readonly (readonly [number, number])[],
  ): { evidence: number[]; probs: number[][] } => {
    const reader = memory.reader();
    const evidence: number[] = [];
    const probs: number[][] = [];
    for (const [from, to] of pieces) {
      const into = new Float32Array((to - from) * width);
      const asked = reader.address([{ ids, from, to }]);
      const { distributions } = reader.lookUp(asked, new Map([[1, into]]));
      evidence.push(...into);
      for (let position = 0; position < to - from; position++) {
        const all = new Float32Array(vocabSize + 3);
        distributions!.add(position, [0.25, 0.75], all);
        probs.push([...all]);
        const chances = new Float32Array(2);
        distributions!.chances(position, 7, chances);
        assert.ok(Math.abs(0.25 * chances[0]! + 0.75 * chances[1]! - all[7]!) < 1e-6);
      }
    }
    return { evidence, probs };
  };
  // A reader that read something else before: a part, another end, another text beside it.
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(ids.length - 1), fc.nat(20), fc.nat(3)), { maxLength: 12 }),
      (steps) => {
        const [used, spans] = [memory.reader(), [...steps, [ids.length - 9, 8, 0] as const]];
        const evidenceOf = (by: typeof used, asked: TokenSpan[]): number[] => {
          const count = asked.reduce((sum, { from, to }) => sum + to - from, 0);
          const into = new Float32Array(count * width);
          by.lookUp(by.address(asked), new Map([[1, into]]));
          return [...into];
        };
        let before = 0;
        for (const [place, length, begin] of spans) {
          const from = length % 3 === 0 ? before : Math.max(place, begin);
          const to = Math.min(ids.length, from + 1 + length);
          if (from < begin || from >= to) continue;
          before = to;
          const asked = [{ ids, begin, from, to }];
          if (length % 4 === 1) asked.push({ ids, begin: 0, from: 3, to: 5 });
          assert.deepEqual(evidenceOf(used, asked), evidenceOf(memory.reader(), asked));
        }
      },
    ),
  );
  // The next id does not read the others again.
  const [going, fresh] = [memory.reader(), memory.reader()];
  const last = { ids, from: ids.length - 1, to: ids.length };
  going.lookUp(going.address([{ ids, from: 0, to: ids.length - 1 }]), new Map());
  const rowsOf = (reader: typeof going): number =>
    reader.lookUp(reader.address([last]), new Map()).numRows;
  assert.ok(rowsOf(going) < rowsOf(fresh) / 4);
  const whole = read([[0, ids.length]]);
  assert.deepEqual(read(ids.map((_, i) => [i, i + 1] as const)), whole);
  for (const one of whole.probs) assert.ok(Math.abs(one.reduce((a, b) => a + b, 0) - 1) < 1e-5);
});

test("a request chooses packs; texts that chose others are answered beside each other, each as if alone", async () => {
  await using bare = await open("counting");
  await using model = await open("counting", "dogs.pack", "cats.pack");
  const [plainServer, server] = [createServer(bare), createServer(model, { parallel: 4 })];
  await Promise.all([plainServer.ready, server.ready]);
  const ask = async (
    to: EngramServer,
    engram?: object,
  ): Promise<{ status: number; said: string }> => {
    const body = {
      prompt: "the dog sat on the",
      temperature: 0,
      max_tokens: 6,
      logprobs: 3,
      engram,
    };
    const request = new Request("http://engram/v1/completions", {
      method: "POST",
      body: JSON.stringify(body),
    });
    const response = await to.fetch(request);
    const { choices, error } = (await response.json()) as { choices?: unknown; error?: unknown };
    return { status: response.status, said: JSON.stringify(choices ?? error) };
  };
  const off = await ask(plainServer);
  const asked = [{ packs: [] }, { packs: ["dogs"] }, { packs: ["cats"] }, {}];
  const alone = [];
  for (const one of asked) alone.push(await ask(server, one));
  assert.equal(off.status, 200, off.said);
  assert.equal(alone[0]!.said, off.said);
  assert.equal(new Set(alone.slice(0, 3).map(({ said }) => said)).size, 3);
  const together = await Promise.all(asked.map((one) => ask(server, one)));
  const textsOf = (said: string): unknown[] =>
    (JSON.parse(said) as { text: string }[]).map((choice) => choice.text);
  for (const [i, { said }] of together.entries())
    assert.deepEqual(textsOf(said), textsOf(alone[i]!.said));
  const sourcesOf = async (packs: readonly string[]): Promise<unknown> => {
    const { said } = await ask(server, { packs, return: ["sources"] });
    return (JSON.parse(said) as [{ engram: { sources: unknown } }])[0].engram.sources;
  };
  const [source] = (await sourcesOf(["dogs"])) as [Record<string, unknown>];
  assert.deepEqual([source["pack"], source["file"], source["document"]], ["dogs", "dogs.txt", 1]);
  assert.ok(Number(source["tokens"]) > 2 && source["only"] === source["tokens"]);
  assert.deepEqual(await sourcesOf([]), []);
  const unknown = await ask(server, { packs: ["mice"] });
  assert.equal(unknown.status, 400);
  assert.match(unknown.said, /no pack/);
  await Promise.all([plainServer.close(), server.close()]);
});

test("where packs disagree is counted, with the surest examples", async () => {
  const tables = [];
  for (const name of ["cats.pack", "dogs.pack"]) {
    await using file = await PackFile.open(at(name));
    tables.push((await file.read()).table);
  }
  const { contexts, shared, differing, examples } = conflictsOf(tables[0]!, tables[1]!);
  assert.ok(contexts > shared && shared >= differing && differing > 0);
  // "on the" is followed by "mat" here, by "log" there.
  for (const { said, context } of examples) {
    assert.notEqual(said[0].id, said[1].id);
    assert.ok(context.length >= 2);
  }
  assert.equal(conflictsOf(tables[0]!, tables[0]!).differing, 0);
  assert.equal(cats.info.order, order);
});
