/**
 * Makes the texts and questions of studies (docs/studies/recall.json, reasoning.json) from a seed: what is asked is
 * known to the last statement, because it was written here.
 *
 *   node scripts/study-texts.ts [out=runs/study-texts] [DATA]
 *
 * `facts.txt`: the sample text without its last tenth, and between its paragraphs facts about people that do not exist,
 * each stated 0, 1, 3, 10, 30 or 100 times, in one of two wordings: near (the name right before the answer) or far. Each
 * is asked in both. `problems.txt`: the same text with sums, and with names that have digits or lead to names that do. No
 * sum that is asked is in the text. `valid.txt`: the last tenth.
 *
 * DATA is a folder with enwiki2015-train-core100.jsonl and enwiki2015-valid.jsonl: their first 206 and 33 articles become
 * `wiki-train.jsonl` and `wiki-valid.jsonl` (docs/studies/bytes.json).
 */
import "../bench/setup/command-line.ts";
import {
  createReadStream,
  createWriteStream,
  mkdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { Random } from "../src/numerics/random.ts";

const [out = "runs/study-texts", data] = process.argv.slice(2);
const random = Random.fromSeed(20261128, "study-texts");

const pick = <T>(from: readonly T[]): T => from[random.int(from.length)]!;
const times = <T>(count: number, make: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));
function shuffled<T>(items: readonly T[]): T[] {
  const order = items.map((_, i) => i);
  random.shuffle(order);
  return order.map((i) => items[i]!);
}

/** A question, its answer among `choices`. */
interface Question {
  readonly group: string | number;
  readonly question: string;
  readonly choices: readonly string[];
  readonly answer: number;
}

function asked(group: string | number, question: string, right: string, of: readonly string[]) {
  const others = shuffled(of.filter((one) => one !== right)).slice(0, 7);
  const choices = shuffled([right, ...others]);
  return { group, question, choices, answer: choices.indexOf(right) } satisfies Question;
}

const relations = [
  {
    near: "The native town of {} is",
    far: "{} came into this world within the walls of old",
    answers: "Padua,Verona,Mantua,Milan,Pisa,Rome,Venice,Florence,Athens,Tyre,Corinth,Dover",
  },
  {
    near: "The daily trade of {} is",
    far: "{} is up before the sun each day to work as a",
    answers: "baker,mason,weaver,tanner,smith,carter,cook,barber,tailor,miller,hunter,clerk",
  },
  {
    near: "The one friend of {} is",
    far: "{} has never in this life loved any soul as much as",
    answers:
      "Henry,Edward,Clarence,Margaret,Juliet,Romeo,Lucio,Angelo,Gremio,Katharina,Tybalt,Paulina",
  },
];
/** How often a fact is stated, and how many facts are stated so often. */
const levels = [
  [0, 120],
  [1, 120],
  [3, 120],
  [10, 120],
  [30, 60],
  [100, 40],
] as const;

function peoplesNames(count: number): string[] {
  const heads =
    "Bra,Cor,Dun,Fal,Gri,Hes,Jor,Kel,Lum,Mor,Nev,Pol,Quin,Ros,Ste,Tor,Ul,Vey,Wil,Zan".split(",");
  const middles = "a,e,i,o,u,ara,eli,ino,ora,uva".split(",");
  const tails = "beck,dane,fax,gorn,lith,mond,nock,rax,sted,vane,wick,zell".split(",");
  const found = new Set<string>();
  while (found.size < count) found.add(pick(heads) + pick(middles) + pick(tails));
  return [...found];
}

/** Statements of all facts, and what is asked of them by the name of a task. */
function facts(): { statements: string[]; questions: Map<string, Question[]> } {
  const statements: string[] = [];
  const questions = new Map<string, Question[]>();
  const exposuresOf = levels.flatMap(([exposures, people]) => times(people, () => exposures));
  for (const [i, name] of peoplesNames(exposuresOf.length).entries()) {
    const exposures = exposuresOf[i]!;
    const relation = pick(relations);
    const answers = relation.answers.split(",");
    const right = pick(answers);
    const stated = i % 2 === 0 ? "near" : "far";
    statements.push(...times(exposures, () => `${relation[stated].replace("{}", name)} ${right}.`));
    for (const wording of ["near", "far"] as const) {
      const task = `${wording}-${wording === stated ? "stated" : "other"}`;
      const question = asked(exposures, relation[wording].replace("{}", name), right, answers);
      questions.set(task, [...(questions.get(task) ?? []), question]);
    }
  }
  return { statements, questions };
}

const letters = [..."abcdefghijklmnop"];
const digits = [..."0123456789"];

/** Names with digits, or with names that lead to one in up to `hops` steps: "b 3 f b :" and what is asked, "f 3 b 3". */
function lookUps(hops: number): {
  given: string;
  names: string[];
  steps: number[];
  digit: string[];
} {
  const names = shuffled(letters).slice(0, 2 + random.int(5));
  const steps: number[] = [];
  const digit: string[] = [];
  const items = names.map((name, i) => {
    const to = i === 0 ? -1 : random.int(i);
    if (to === -1 || steps[to] === hops || random.int(2) === 0) {
      steps.push(0);
      digit.push(pick(digits));
      return `${name} ${digit[i]}`;
    }
    steps.push(steps[to]! + 1);
    digit.push(digit[to]!);
    return `${name} ${names[to]}`;
  });
  return { given: `${shuffled(items).join(" ")} :`, names, steps, digit };
}

function solved({ given, names, digit }: ReturnType<typeof lookUps>): string {
  const order = shuffled(names.map((_, i) => i));
  return `${given} ${order.map((i) => `${names[i]} ${digit[i]}`).join(" ")}`;
}

/** Asks a name that is that many steps away, before any other. */
function lookUp(hops: number): Question {
  for (;;) {
    const { given, names, steps, digit } = lookUps(hops);
    const at = steps.lastIndexOf(hops);
    if (at !== -1) return asked(hops, `${given} ${names[at]}`, digit[at]!, digits);
  }
}

/** Pairs of numbers whose sum is asked and never told: one in five. */
const isAsked = (a: number, b: number): boolean => (a * 7 + b * 13) % 5 === 0;
function sum(asking: boolean): { text: string; right: string } {
  for (;;) {
    const [a, b] = [random.int(50), random.int(50)];
    if (isAsked(a, b) === asking) return { text: `${a} + ${b} =`, right: String(a + b) };
  }
}

function problems(): { statements: string[]; questions: Map<string, Question[]> } {
  const lists = times(24_000, (i) => solved(lookUps(i % 3)));
  const sums = times(10_000, () => sum(false)).map(({ text, right }) => `${text} ${right}`);
  const questions = new Map([
    ["look-ups", times(900, (i) => lookUp(i % 3))],
    [
      "sums",
      times(300, () => {
        const { text, right } = sum(true);
        const near = times(19, (i) => String(Number(right) - 9 + i));
        return asked(
          "new",
          text,
          right,
          near.filter((one) => Number(one) >= 0),
        );
      }),
    ],
  ]);
  return { statements: [...lists, ...sums], questions };
}

function write(file: string, paragraphs: readonly string[], made: ReturnType<typeof facts>): void {
  // Four statements a paragraph; where they stand is drawn.
  const blocks: string[] = [];
  const statements = shuffled(made.statements);
  for (let i = 0; i < statements.length; i += 4) blocks.push(statements.slice(i, i + 4).join("\n"));
  writeFileSync(join(out, file), `${mixed(paragraphs, blocks).join("\n\n")}\n`);
  for (const [task, questions] of made.questions) {
    writeFileSync(
      join(out, `${task}.jsonl`),
      questions.map((one) => `${JSON.stringify(one)}\n`).join(""),
    );
    const about = {
      task,
      version: 1,
      output_type: "multiple_choice",
      data: `${task}.jsonl`,
      doc_to_text: "{{question}}",
      doc_to_target: "{{answer}}",
      doc_to_choice: "{{choices}}",
      metric_list: ["acc"],
      group_by: { field: "group" },
    };
    writeFileSync(join(out, `${task}.json`), `${JSON.stringify(about, undefined, 2)}\n`);
  }
}

/** `text` in its order, the `blocks` at places that are drawn. */
function mixed(text: readonly string[], blocks: readonly string[]): string[] {
  const places = blocks.map(() => random.int(text.length)).toSorted((a, b) => a - b);
  let next = 0;
  return text.flatMap((paragraph, i) => {
    const from = next;
    while (places[next] === i) next++;
    return [...blocks.slice(from, next), paragraph];
  });
}

const sample = readFileSync(
  fileURLToPath(new URL("../assets/tinyshakespeare.txt", import.meta.url)),
  "utf8",
);
const cut = sample.indexOf("\n\n", Math.floor(sample.length * 0.9));
const paragraphs = sample.slice(0, cut).split("\n\n");
mkdirSync(out, { recursive: true });
writeFileSync(join(out, "valid.txt"), sample.slice(cut).trimStart());
write("facts.txt", paragraphs, facts());
write("problems.txt", paragraphs, problems());
if (data !== undefined)
  for (const [from, to, articles] of [
    ["enwiki2015-train-core100.jsonl", "wiki-train.jsonl", 206],
    ["enwiki2015-valid.jsonl", "wiki-valid.jsonl", 33],
  ] as const)
    await pipeline(
      Readable.from(firstLines(join(data, from), articles)),
      createWriteStream(join(out, to)),
    );

async function* firstLines(file: string, count: number): AsyncGenerator<string> {
  let left = count;
  for await (const line of createInterface({ input: createReadStream(file) })) {
    if (left-- === 0) return;
    yield `${line}\n`;
  }
}
