/**
 * Would contexts that name their subject recall what a text says of it? At "X was born in" an n-gram reads "born in",
 * never X. Here a context may also begin with the rarest token in reach, X most often; still of token ids alone.
 *
 *   node bench/subject-keys.ts TOKENIZER.json DATA [facts=60]
 *
 * No timing and no model: what counts of DATA/enwiki2015-train-core100.jsonl give to the first token of the answers of
 * ParaRel (DATA/facts), by the number of its articles that state the fact in one sentence. Facts that none states are the
 * control: a wording alone tells something, too. `facts` is how many of each relation and class are asked, each in up to
 * three wordings, which count as one in the errors.
 */
import { needed, readWords } from "./setup/command-line.ts";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { askedByPattern, type Fact, factsOf } from "../src/eval/tasks/recall.ts";
import { packDocuments } from "../src/training/index.ts";
import { readAll } from "../src/training/node/index.ts";
import { openTokenizerFile } from "../src/tokenizer/node/index.ts";

const {
  tokenizer: tokenizerPath,
  data,
  most,
} = readWords({ tokenizer: needed, data: needed, most: 60 });
const tokenizer = await openTokenizerFile(readFileSync(tokenizerPath, "utf8"));
const { tokens, starts } = await packDocuments(
  readAll([join(data, "enwiki2015-train-core100.jsonl")]),
  tokenizer,
);
const { vocabSize } = tokenizer;
const uses = new Float64Array(vocabSize);
for (const id of tokens) uses[id]!++;
/** Tokens that are a part of a word. */
const isWord = Uint8Array.from({ length: vocabSize }, (_, id) =>
  Number(/^\s?[\p{L}\p{M}'’-]+$/u.test(tokenizer.decode([id]))),
);

const ORDERS = 5;
const kinds = [16, 32].flatMap((reach) => [1, 2].map((after) => ({ reach, after })));
const names = [
  ...Array.from({ length: ORDERS }, (_, i) => `${i + 1} before`),
  ...kinds.map(({ reach, after }) => `rarest of ${reach}, ${after} before`),
];

function mixed(a: number, b: number): number {
  return (Math.imul(a ^ (b + 0x9e3779b9 + (a << 6)), 0x85ebca6b) ^ (a >>> 13)) | 0;
}

/** The keys of all contexts of position `end` of a document that begins at `start`; 0 where there is none. */
function keysAt(ids: ArrayLike<number>, { start, end }: { start: number; end: number }): number[] {
  const keys: number[] = [];
  let key = 0;
  for (let n = 1; n <= ORDERS; n++) {
    key = mixed(key, ids[end - n] ?? 0);
    keys.push(end - n < start ? 0 : mixed(key, n));
  }
  for (const [i, { reach, after }] of kinds.entries()) {
    let [rarest, fewest] = [-1, Infinity];
    for (let at = Math.max(start, end - reach); at < end - after; at++)
      if (isWord[ids[at]!] === 1 && uses[ids[at]!]! < fewest)
        [rarest, fewest] = [ids[at]!, uses[ids[at]!]!];
    keys.push(rarest < 0 ? 0 : mixed(mixed(keys[after - 1]!, rarest), 100 + i));
  }
  return keys;
}

interface Question {
  readonly keys: readonly number[];
  readonly answer: number;
  readonly least: number;
}

/** The least number of articles of each class. */
const classes = [0, 1, 2, 4, 10];
const classOf = ({ exposures }: Fact): number => classes.findLast((least) => exposures >= least)!;
const questions = await readQuestions();
/** Key -> successor -> count, of the contexts that are asked for. */
const counts = new Map(
  questions.flatMap(({ keys }) => keys.map((key) => [key, new Map<number, number>()] as const)),
);
counts.delete(0);
for (const [i, start] of starts.entries())
  for (let end = start + 1; end < (starts[i + 1] ?? tokens.length); end++)
    for (const key of keysAt(tokens, { start: start + 1, end })) {
      const row = counts.get(key);
      row?.set(tokens[end]!, (row.get(tokens[end]!) ?? 0) + 1);
    }

const chance = ({ keys, answer }: Question, kind: number): number | undefined => {
  const row = counts.get(keys[kind]!);
  if (row === undefined || row.size === 0) return undefined;
  let total = 0;
  for (const count of row.values()) total += count;
  return (row.get(answer) ?? 0) / total;
};
/** As long an n-gram as was met, discounted, the rest from shorter ones. */
const ngramChance = (question: Question): number => {
  let p = uses[question.answer]! / tokens.length;
  for (let kind = 0; kind < ORDERS; kind++) {
    const row = counts.get(question.keys[kind]!);
    if (row === undefined || row.size === 0) continue;
    let total = 0;
    for (const count of row.values()) total += count;
    p = (Math.max((row.get(question.answer) ?? 0) - 0.5, 0) + 0.5 * row.size * p) / total;
  }
  return p;
};

const say = (...cells: readonly string[]): void =>
  void process.stdout.write(`${cells.map((cell, i) => cell.padEnd(i === 0 ? 26 : 20)).join("")}\n`);
say(`${questions.length} questions`, ...classes.map((least) => `stated ${least}+`));
for (const [kind, name] of names.entries())
  say(
    name,
    ...classes.map((least) => {
      const of = questions.filter((question) => question.least === least);
      const chances = of.map((question) => chance(question, kind));
      const met = chances.filter((p) => p !== undefined).length / of.length;
      return `${met.toFixed(2)} met, p ${mean(chances.map((p) => p ?? 0)).toFixed(4)}`;
    }),
  );
say("n-grams, interpolated", ...classes.map((least) => meanOf(least, ngramChance).toFixed(4)));
say("more than n-grams give, less the same of facts that none states; standard error");
for (const [kind, name] of names.entries()) {
  if (kind < ORDERS) continue;
  const gain = (question: Question): number =>
    (chance(question, kind) ?? 0) - ngramChance(question);
  const cells = classes.slice(1).map((least) => {
    const difference = meanOf(least, gain) - meanOf(0, gain);
    const error = Math.sqrt(3 * (errorOf(least, gain) ** 2 + errorOf(0, gain) ** 2));
    return `${difference.toFixed(4)} ± ${error.toFixed(4)}`;
  });
  say(name, "", ...cells);
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

function valuesOf(least: number, of: (question: Question) => number): number[] {
  return questions.filter((question) => question.least === least).map(of);
}

function meanOf(least: number, of: (question: Question) => number): number {
  return mean(valuesOf(least, of));
}

/** Of the mean, as if wordings of a fact told nothing of each other. */
function errorOf(least: number, of: (question: Question) => number): number {
  const values = valuesOf(least, of);
  const centre = mean(values);
  const squares = values.map((value) => (value - centre) ** 2);
  return Math.sqrt(squares.reduce((a, b) => a + b, 0) / (values.length - 1) / values.length);
}

async function readQuestions(): Promise<Question[]> {
  const file = join(data!, "facts/support-in-enwiki2015/facts_support.tsv");
  const [head, ...lines] = readFileSync(file, "utf8").trimEnd().split("\n");
  const columns = head!.split("\t");
  const rows = lines.map((line) =>
    Object.fromEntries(line.split("\t").map((value, i) => [columns[i]!, value])),
  );
  const exposures = "core100_docs_with_sentence_cooccurrence";
  const graphs = join(data!, "facts/pararel/data/pattern_data/graphs_json");
  const patterns = new Map(
    readdirSync(graphs).map((name) => [
      name.replace(".jsonl", ""),
      readFileSync(join(graphs, name), "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    ]),
  );
  const asked = new Map<string, number>();
  const read: Question[] = [];
  for (const one of askedByPattern(
    factsOf(rows, { source: "pararel", exposures, file }),
    patterns,
  )) {
    const fact = one as unknown as Fact & { prompts: readonly string[] };
    const least = classOf(fact);
    const of = `${fact.relation} ${least}`;
    const before = asked.get(of) ?? 0;
    if (before >= most) continue;
    asked.set(of, before + 1);
    for (const prompt of fact.prompts.slice(0, 3)) {
      const ids = await tokenizer.encode(`\n${prompt}`);
      const [answer] = await tokenizer.encode(` ${fact.object}`);
      read.push({ keys: keysAt(ids, { start: 0, end: ids.length }), answer: answer!, least });
    }
  }
  return read;
}
