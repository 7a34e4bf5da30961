/**
 * Makes the larger model that comes with the repository: English, trained on articles of Wikipedia, its memory of both
 * kinds; then saved small - weights as 8 bits, rows as FP8 - and measured as it was saved. Every step is a command that
 * can be given by hand, and is printed.
 *
 *   node scripts/english-model.ts DATA [out=assets/english] [threads=1]
 *
 * DATA is a folder with enwiki2015-train-core100.jsonl, enwiki2015-train-rest.jsonl, enwiki2015-valid.jsonl and `eval`
 * (docs/tasks.md). What is trained stays in `runs/english`, and its neighbour without a memory in
 * `runs/english-without`; a run that was broken off goes on. Hours on one core. (The card that is there has words of ours
 * before these tables.)
 */
import "../bench/setup/command-line.ts";
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { sealDirectory } from "../src/checkpoint/node/index.ts";
import { InvalidConfigError } from "../src/errors.ts";
import { CARD_NAME, excerptsOf } from "../src/training/index.ts";

const [dataFolder, out = inRoot("assets/english"), threads = "1"] = process.argv.slice(2);
if (dataFolder === undefined) throw new InvalidConfigError("expected the folder of the texts");
const texts = ["core100", "rest"].map((part) => join(dataFolder, `enwiki2015-train-${part}.jsonl`));
const valid = join(dataFolder, "enwiki2015-valid.jsonl");
const run = inRoot("runs/english");
const without = inRoot("runs/english-without");
/** What the directory may weigh: it is cloned by everybody. */
const MOST_BYTES = 24e6;
const smaller = ["--dtype", "q8", "--rows", "fp8", "--max-shard-size", "4MB"];
/** Of what is left beside weights, rows and counts: `train` writes a larger one. */
const INDEX_BYTES = "2500000";
/** As much of the held-out text as some thirty controls read in minutes. */
const audited = ["--limit", "20000"];
/** In place of what the card leaves to the model's owner. */
const LICENCE = `## Licence

The weights, rows and counts were made from articles of the English Wikipedia of 2015, which stand under CC BY-SA 3.0
(https://creativecommons.org/licenses/by-sa/3.0/), by their authors; so does this model. It is a sample: small, trained for
hours, and wrong about most things.
`;

/** What fits beside 7 M weights of 8 bits. */
const counts = "counted.maxBytes=8000000";
const recipe = [
  "--preset",
  "small",
  "--steps",
  "1600",
  "--data",
  ...texts,
  "--valid",
  valid,
  "--threads",
  threads,
];

trainUnlessThere(run, [...recipe, "--set", counts]);
trainUnlessThere(without, [...recipe, "--tokenizer", join(run, "tokenizer.json"), "--no-memory"]);
if (!existsSync(join(out, "config.json")))
  engram("quantize", run, "--out", out, ...smaller, "--text", valid);
// Its curves, for the page.
copyFileSync(join(run, "metrics.jsonl"), join(out, "metrics.jsonl"));
indexCorpus();
const shown = writeReport();
const measured = [
  engram("audit", out, "--text", valid, ...audited, "--trained", ...texts, "--without", without),
  engram("eval", out, "--tasks", "blimp", "--data", dataFolder, "--limit", "50"),
  engram("eval", out, "--tasks", "lambada", "--data", dataFolder, "--limit", "1000"),
];
const [card] = readFileSync(join(run, CARD_NAME), "utf8").split("\n## What this card does not say");
writeFileSync(join(out, CARD_NAME), [card, ...measured, `${LICENCE}\n${shown}`].join("\n"));
await sealDirectory(out);

let bytes = 0;
for (const name of readdirSync(out)) bytes += statSync(join(out, name)).size;
process.stdout.write(`${out}: ${(bytes / 1e6).toFixed(2)} MB\n`);
if (bytes > MOST_BYTES) throw new Error(`expected at most ${MOST_BYTES} bytes`);

function trainUnlessThere(directory: string, options: readonly string[]): void {
  if (existsSync(join(directory, "config.json"))) return;
  const resume = existsSync(join(directory, "metrics.jsonl")) ? ["--resume"] : [];
  engram("train", "--out", directory, ...options, ...resume);
}

/** The command and what it prints, as a part of the card. */
function engram(command: string, ...options: readonly string[]): string {
  process.stdout.write(`engram ${command} ${options.join(" ")}\n`);
  const { status, stdout } = spawnSync(
    process.execPath,
    [inRoot("src/cli/main.ts"), command, ...options],
    { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] },
  );
  process.stdout.write(stdout);
  if (status !== 0) throw new Error(`engram ${command} ended with ${status}`);
  const words = options.map((word) => (word.includes("/") ? basename(word) : word));
  return `    engram ${command} ${words.join(" ")}\n\n\`\`\`\n${stdout.trim()}\n\`\`\`\n`;
}

function indexCorpus(): void {
  const program = inRoot("scripts/index-corpus.ts");
  const { status } = spawnSync(process.execPath, [program, out, INDEX_BYTES, ...texts], {
    stdio: "inherit",
  });
  if (status !== 0) throw new Error(`${program} ended with ${status}`);
}

/**
 * training.json as `train` left it, with the neighbour's figure, and with lines of three held-out articles to show the
 * model with. Returns whose these are.
 */
function writeReport(): string {
  const lines = readFileSync(valid, "utf8").trim().split("\n");
  const shownOf = (share: number): { title: string; text: string } =>
    JSON.parse(lines[Math.floor(share * lines.length)]!) as { title: string; text: string };
  const titles: string[] = [];
  const heldOutExcerpts = excerptsOf((share) => {
    const { title, text } = shownOf(share);
    titles.push(`"${title}"`);
    return text;
  });
  const resultOf = (directory: string): Record<string, unknown> =>
    JSON.parse(readFileSync(join(directory, "training.json"), "utf8")) as Record<string, unknown>;
  const { heldOutExcerpt: _, ...result } = resultOf(run);
  const { bitsPerByte: bitsPerByteTrainedWithout } = resultOf(without);
  const report = { ...result, bitsPerByteTrainedWithout, heldOutExcerpts };
  writeFileSync(join(out, "training.json"), `${JSON.stringify(report, undefined, 2)}\n`);
  return (
    `The lines that the page and \`engram start\` show it with are of the articles ${titles.join(", ")} of the same\n` +
    "Wikipedia, which it was not trained on; by their authors, under the same licence.\n"
  );
}

function inRoot(path: string): string {
  return fileURLToPath(new URL(`../${path}`, import.meta.url));
}
