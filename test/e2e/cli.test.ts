/**
 * The command line from a text to its continuation: what lands on stdout, what on stderr, which exit code; as processes
 * where that is more than the frame's answer. Four steps of the tiny preset: enough to have a model, not enough to have a good one.
 * What survives a kill is in `train-and-resume.test.ts`.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { engram, engramJson } from "../engram.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const main = join(root, "src/cli/main.ts");
const scratch = mkdtempSync(join(tmpdir(), "engram-e2e-"));
after(() => rmSync(scratch, { recursive: true }));
process.chdir(scratch);

const text = join(scratch, "play.txt");
const model = join(scratch, "model");
const training = "train --preset tiny --steps 4 --batch 2 --threads 1 --data".split(" ");
training.push(text);

before(() => {
  const play = readFileSync(join(root, "assets/tinyshakespeare.txt"), "utf8");
  writeFileSync(text, play.slice(0, 60_000));
});

/** The model that the other tests look at; trained once. */
let trained: Promise<Record<string, unknown>> | undefined;
function trainedModel(): Promise<Record<string, unknown>> {
  return (trained ??= engramJson(...training, "--out", model));
}

test("training leaves a model directory and says what came of it", async () => {
  const document = await trainedModel();
  assert.equal(document["steps"], 4);
  const bits = document["bitsPerByte"] as number;
  assert.ok(bits > 1 && bits < 8, `${bits} bits per byte`);
  for (const file of ["config.json", "tokenizer.json", "model.safetensors.index.json"])
    assert.ok(existsSync(join(model, file)), file);
  assert.ok(!existsSync(join(model, "checkpoints")), "checkpoints go once the model is saved");
});

test("start shows the model that comes along, trains nothing, and ends where nobody sits there", () => {
  const empty = join(scratch, "newcomer");
  mkdirSync(empty);
  const run = (...words: string[]) =>
    spawnSync(process.execPath, [main, "start", ...words], {
      encoding: "utf8",
      cwd: empty,
      stdio: ["ignore", "pipe", "pipe"],
    });
  const shown = run();
  assert.equal(shown.status, 0, shown.stderr);
  const { model: which, prompt, others, ...document } = JSON.parse(run("--json").stdout);
  const { withMemory, withoutMemory, bitsPerByte } = document;
  assert.equal(
    shown.stdout.includes(`--- memory on ---\n${prompt}${withMemory}`) &&
      shown.stdout.includes(`--- memory off ---\n${prompt}${withoutMemory}`),
    true,
    shown.stdout,
  );
  assert.equal(which, join(root, "assets/english"));
  assert.ok((others as string[]).some((name) => name.endsWith(join("assets", "shakespeare"))));
  assert.notEqual(withMemory, withoutMemory);
  assert.match(
    shown.stdout,
    new RegExp(
      `${bitsPerByte.on.toFixed(3)} bits per byte with the memory, ` +
        `${bitsPerByte.trainedWithout.toFixed(3)} trained without one, ` +
        `${bitsPerByte.off.toFixed(3)} with it switched off`,
    ),
  );
  // A model of 7 million weights that read 26 million bytes does no better, and xz no worse.
  assert.ok(bitsPerByte.on > 1.4 && bitsPerByte.on < 2.36, `${bitsPerByte.on}`);
  assert.deepEqual(readdirSync(empty), []);
});

test("the models that come along are small enough to be cloned by everybody, and whole", async () => {
  for (const name of ["english", "shakespeare"]) {
    const directory = join(root, "assets", name);
    const bytes = readdirSync(directory).map((file) => statSync(join(directory, file)).size);
    assert.ok(bytes.reduce((sum, size) => sum + size) < 24e6);
    const { layers } = (await engramJson("show", directory)) as { layers?: unknown };
    assert.notEqual(layers, null);
    await engram("verify", directory);
  }
});

test("the model's inside is shown without loading it", async () => {
  await trainedModel();
  const document = await engramJson("show", model);
  assert.ok((document["weights"] as number) > 0);
  assert.match((await engram("show", model)).stdout, /layer 1: [\d,]+ rows.*, uses counted\n/);
});

test("the same seed continues a text in the same way, another one and no memory in others", async () => {
  await trainedModel();
  const prompt = ["--prompt", "ROMEO:", "--max-tokens", "24"];
  const write = async (...more: string[]): Promise<string> =>
    (await engramJson("generate", model, ...prompt, ...more))["text"];
  const first = await write("--seed", "1");
  assert.notEqual(await write("--seed", "2"), first);
  assert.notEqual(await write("--seed", "1", "--no-memory"), first);
  assert.equal(await write("--seed", "1", "--table-memory", "200KB"), first);
  const words = ["generate", model, ...prompt, "--seed", "1"];
  const { status, stdout } = spawnSync(process.execPath, [main, ...words], { encoding: "utf8" });
  assert.deepEqual({ status, stdout }, { status: 0, stdout: `ROMEO:${first}\n` });
});

test("eval counts the bytes of the file, with memory and without", async () => {
  await trainedModel();
  const file = join(scratch, "eval.txt");
  writeFileSync(file, "The rest is silence. — Hamlet\n".repeat(20));
  const document = await engramJson("eval", model, "--bpb", file, "--table-memory", "200KB");
  assert.equal(document["bytes"], statSync(file).size);
  const { cache } = document["memoryReport"] as { cache: { hits: number; misses: number } };
  assert.ok(cache.hits + cache.misses > 0, "the report is of what was read");
  const off = document["memoryOff"] as Record<string, number>;
  assert.equal(off["bytes"], document["bytes"]);
  assert.notEqual(off["bitsPerByte"], document["bitsPerByte"]);
});

test("an audit scores what training held out, counts the rest, and draws it", async () => {
  const { bitsPerByte, trainTokens } = (await trainedModel()) as Record<string, number>;
  const svg = join(scratch, "audit.svg");
  const document = await engramJson("audit", model, "--trained", text, "--svg", svg);
  const rows = document["rows"] as { name: string; bitsPerByte: number }[];
  const bitsOf = (name: string): number => rows.find((row) => row.name === name)!.bitsPerByte;
  assert.ok(Math.abs(bitsOf("on") - bitsPerByte!) < 1e-5, "the held-out tenth, as training had it");
  assert.equal((document["trained"] as { tokens: number }).tokens, trainTokens);
  assert.ok(
    bitsOf("Kneser-Ney 3") < bitsOf("on"),
    "four steps of training are worth less than counting",
  );
  assert.match(readFileSync(svg, "utf8"), /^<svg[^]*<\/svg>\n$/);
  // Named, the same text is the same: the model's run.json says what was held out.
  const held = join(scratch, "held-out.txt");
  const whole = readFileSync(text, "utf8");
  const cut = whole.indexOf("\n", Math.floor(0.9 * whole.length)) + 1;
  writeFileSync(held, whole.slice(cut));
  const shown = await engram("audit", model, "--text", held, "--trained", text, "--limit", "200");
  assert.equal(shown.status, 0, shown.stderr);
  const numTrained = trainTokens!.toLocaleString("en-US");
  assert.match(shown.stdout, new RegExp(`^199 tokens, .*; trained on ${numTrained} tokens`));
  assert.match(shown.stdout, /^on +\d\.\d{4} +\d\.\d{4}$/m);
  assert.match(shown.stdout, /^rows shuffled +\d\.\d{4} +\d\.\d{4} +[+-]\d\.\d{4}/m);
});

test("an audit that cannot be is refused before anything is read", async () => {
  await trainedModel();
  for (const [words, message] of [
    [[], /give --text \(a text to score\), --trained/],
    [["--text", join(scratch, "nowhere.txt")], /nowhere\.txt/],
    [["--text", text, "--svg", join(scratch, "play.txt")], /ends in \.svg/],
    [["--text", text, "--svg", join(scratch, "none", "a.svg")], /no directory/],
    [["--text", text, "--without", join(scratch, "none")], /none/],
    [["--text", text, "--without", model], /has a memory/],
    [["--text", text, "--limit", "1"], /at least 2/],
  ] as const) {
    const { status, stderr, stdout } = await engram("audit", model, ...words);
    assert.notEqual(status, 0, words.join(" "));
    assert.match(stderr, message);
    assert.equal(stdout, "");
  }
});

test("a quantised model is worth on a text what its certificate says", async () => {
  await trainedModel();
  const file = join(scratch, "certify.txt");
  writeFileSync(file, "The rest is silence. Good night, sweet prince.\n".repeat(30));
  const out = join(scratch, "small");
  const words = ["--dtype", "q4", "--rows", "int4", "--text", file, "--out", out];
  const certificate = (await engramJson("quantize", model, ...words)) as {
    text: { sha256: string; bytes: number };
    original: Record<string, number>;
    formats: Record<string, number>[];
  };
  const [format] = certificate.formats;
  assert.equal(certificate.text.bytes, statSync(file).size);
  assert.equal(
    certificate.text.sha256,
    createHash("sha256").update(readFileSync(file)).digest("hex"),
  );
  assert.ok(format!["bytes"]! < certificate.original["bytes"]! / 4);
  assert.ok(format!["meanKl"]! > 0);
  const kept = JSON.parse(readFileSync(join(out, "quantization.json"), "utf8"));
  assert.deepEqual(kept.formats, certificate.formats);
  for (const [directory, line] of [
    [model, certificate.original],
    [out, format!],
  ] as const) {
    const bits = (await engramJson("eval", directory, "--bpb", file))["bitsPerByte"] as number;
    assert.ok(Math.abs(bits - line["bitsPerByte"]!) < 1e-4, `${bits} ${line["bitsPerByte"]}`);
  }
  const shown = await engramJson("show", out);
  assert.equal(shown["weights"], (await engramJson("show", model))["weights"]);
  assert.equal(shown["weightsAs"], "q4");
  assert.equal(
    (await engram("generate", out, "--prompt", "ROMEO:", "--max-tokens", "5")).status,
    0,
  );
});

test("quantising what is quantised, onto something, or with nothing to do is refused", async () => {
  await trainedModel();
  const packed = join(scratch, "packed");
  assert.equal((await engram("quantize", model, "--dtype", "q8", "--out", packed)).status, 0);
  const other = join(scratch, "other");
  const refusals: readonly [string[], RegExp][] = [
    [[packed, "--dtype", "q4", "--out", other], /packed as q8 already/],
    [[model, "--dtype", "q4", "--out", packed], /is not empty/],
    [[model, "--dtype", "q4"], /give --out/],
    [[model, "--out", other], /say what to change/],
    [[model, "--dtype", "q3", "--out", other], /expected f32, q8, q4, got "q3"/],
    [[model, "--rows", "int2", "--out", other], /got "int2"/],
    [[model, "--dtype", "q4", "--text", join(scratch, "none.txt"), "--out", other], /none\.txt/],
  ];
  for (const [words, message] of refusals) {
    const { status, stderr } = await engram("quantize", ...words);
    assert.equal(status, 2, stderr);
    assert.match(stderr, message);
    assert.ok(!existsSync(other));
  }
  const again = await engram("train", "--data", text, "--preset", "tiny", "--out", packed);
  assert.match(again.stderr, /already holds/);
});

test("the rows of a trained model's text are found with the tokenizer beside its config", async () => {
  await trainedModel();
  const { layers } = (await engramJson(
    "rows",
    "--config",
    join(model, "config.json"),
    "--text",
    "ROMEO:",
  )) as {
    layers: Record<string, number[][]>;
  };
  assert.deepEqual(Object.keys(layers), ["1", "3"]);
  for (const ofToken of Object.values(layers))
    assert.ok(ofToken.length > 0 && ofToken.every((rows) => rows.length === 8));
});

test("Ctrl-C is code 130, says how to go on, and going on ends the run", async () => {
  const out = join(scratch, "stopped");
  const child = spawn(process.execPath, [main, ...training, "--out", out], { cwd: scratch });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => (stdout += part));
  child.stderr.setEncoding("utf8").on("data", (part: string) => {
    // Once: the second Ctrl-C would not wait for anything.
    if (!stderr.includes("1/4  loss") && part.includes("1/4  loss")) child.kill("SIGINT");
    stderr += part;
  });
  const [status] = (await once(child, "close")) as [number | null];
  assert.equal(status, 130, stderr);
  assert.equal(stdout, "");
  const [, words] = /go on with: engram (train .* --resume)\n/.exec(stderr) ?? [];
  assert.ok(words !== undefined, stderr);
  assert.equal((await engram(...training, "--out", out)).status, 2, "not without --resume");
  assert.equal((await engramJson(...words.split(" ")))["steps"], 4);
});

test("a finished model is not written over", async () => {
  await trainedModel();
  const { status, stderr } = await engram(...training, "--out", model);
  assert.equal(status, 2);
  assert.match(stderr, /already holds a finished model/);
});

test("a disk that is full in mid-checkpoint is code 1, and says what to do", (t) => {
  if (process.platform === "win32") return t.skip("needs ulimit");
  const out = join(scratch, "full");
  const words = [main, ...training, "--checkpoint-every", "2", "--out", out, "--json"];
  const { status, stdout } = spawnSync(
    "sh",
    ["-c", 'ulimit -f 20000; exec "$0" "$@"', process.execPath, ...words],
    { encoding: "utf8", cwd: scratch },
  );
  assert.equal(status, 1);
  const { error } = JSON.parse(stdout);
  assert.equal(error.code, "store_failed");
  assert.match(error.message, /larger than this system allows/);
});

test("models that are damaged, foreign or absent are code 2 with one sentence", async () => {
  await trainedModel();
  const broken = join(scratch, "broken");
  cpSync(model, broken, { recursive: true });
  truncateSync(
    join(broken, "model.safetensors"),
    statSync(join(model, "model.safetensors")).size - 9,
  );
  const foreign = join(scratch, "foreign");
  cpSync(model, foreign, { recursive: true });
  rmSync(join(foreign, "manifest.json"));
  const config = JSON.parse(readFileSync(join(foreign, "config.json"), "utf8"));
  writeFileSync(
    join(foreign, "config.json"),
    JSON.stringify({ ...config, engram_compressed_vocab_size: 777 }),
  );
  for (const [directory, message] of [
    [broken, /it is truncated/],
    [foreign, /777.*every address would change/],
    [join(scratch, "none"), /there is nothing/],
    [text, /play\.txt: it does not begin with GGUF, and a model is a directory or a GGUF file/],
  ] as const) {
    const { status, stdout, stderr } = await engram("generate", directory, "--prompt", "x");
    assert.equal(status, 2, stderr);
    assert.equal(stdout, "");
    // The memory plan may stand before it; the error is one line, and the last.
    const lines = stderr.trimEnd().split("\n");
    assert.match(lines.at(-1)!, message);
    assert.ok(
      lines.length === 1 || (lines.length === 2 && lines[0]!.startsWith("memory: ")),
      stderr,
    );
  }
});

test("texts and presets that cannot be are code 2 and leave nothing", async () => {
  const empty = join(scratch, "empty.txt");
  writeFileSync(empty, "");
  const short = join(scratch, "short.txt");
  writeFileSync(short, "hello");
  const out = join(scratch, "never");
  for (const [data, preset, message] of [
    [empty, "tiny", /is empty/],
    [short, "tiny", /the training text has \d tokens; at least 257 are needed/],
    [join(scratch, "none.txt"), "tiny", /no such file/],
    [text, "huge", /unknown preset "huge"; there are: mini, tiny/],
  ] as const) {
    const { status, stderr } = await engram(
      "train",
      "--data",
      data,
      "--preset",
      preset,
      "--out",
      out,
    );
    assert.equal(status, 2, stderr);
    assert.match(stderr, message);
    assert.ok(!existsSync(out), "nothing is written");
  }
});
