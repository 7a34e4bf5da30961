/**
 * Our figures beside those of lm-evaluation-harness on the same tasks and model, item by item: as it was recorded
 * (test/golden/lm-eval/found.json, by reference/run_lm_eval.py), and by running it where it is installed.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import {
  evaluateSet,
  harnessResults,
  harnessTable,
  type SetResult,
} from "../../src/eval/tasks/index.ts";
import { openJudge, openTasks } from "../../src/eval/tasks/node/index.ts";
import { loadModel, type Model } from "../../src/index.ts";
import { createServer, listen } from "../../src/index-server.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const tasksFolder = join(root, "test/golden/lm-eval");
const modelFolder = join(root, "assets/shakespeare");
const recorded: Found = JSON.parse(readFileSync(join(tasksFolder, "found.json"), "utf8"));

/** What reference/run_lm_eval.py writes. */
interface Found {
  readonly by: string;
  readonly model: { readonly sha256: string };
  readonly context: number;
  readonly results: Record<string, Record<string, number | string>>;
  readonly versions: Record<string, number | string>;
  readonly "n-shot": Record<string, number>;
  readonly higher_is_better: Record<string, Record<string, boolean>>;
  readonly "n-samples": Record<string, { original: number; effective: number }>;
  readonly table: string;
  readonly samples: Record<string, FoundSample[]>;
}

interface FoundSample {
  readonly doc_id: number;
  readonly filter: string;
  readonly arguments: unknown[][];
  readonly resps: unknown[];
  readonly filtered: unknown[];
  readonly metrics: Record<string, number | number[]>;
}

const model = await loadModel(modelFolder);
after(() => model.close());
const judging = openJudge();
after(() => judging[Symbol.dispose]());

async function ourResults(of: Model, context: number): Promise<SetResult[]> {
  const files = readdirSync(tasksFolder).filter(
    (name) => name.endsWith(".json") && name !== "found.json",
  );
  const subject = { tokenizer: of.tokenizer, language: of.language, scale: 1 };
  const found: SetResult[] = [];
  for (const file of files.toSorted())
    found.push(
      await evaluateSet(subject, await openTasks(join(tasksFolder, file)), {
        judge: judging.judge,
        context,
      }),
    );
  // Groups first, as the harness lists them.
  return [...found.filter(({ set }) => set.isGroup), ...found.filter(({ set }) => !set.isGroup)];
}

/** Relative: the server computes prompts in other pieces, so sums are rounded otherwise; 5e-7 was seen. */
const tolerance = 2e-5;
/** Kernels over packed weights round activations to 8 bits, in pieces of other lengths otherwise; 1.1e-3 was seen. */
const packedTolerance = 5e-3;

function close(got: unknown, expected: unknown, where: string, within = tolerance): void {
  if (typeof expected !== "number" || typeof got !== "number")
    return assert.deepEqual(got, expected, where);
  const error = Math.abs(got - expected) / Math.max(1, Math.abs(expected));
  assert.ok(error <= within, `${where}: got ${got}, the harness ${expected}`);
}

function compare(ours: readonly SetResult[], theirs: Found, within = tolerance): void {
  const all = harnessResults(ours);
  assert.deepEqual(Object.keys(all.results).toSorted(), Object.keys(theirs.results).toSorted());
  for (const [task, figures] of Object.entries(theirs.results))
    for (const [key, value] of Object.entries(figures))
      // A perplexity's error bar is as rough as the exponentials that it is made of.
      if (key.includes(",")) close(all.results[task]![key], value, `${task} ${key}`, 5 * within);
  for (const key of ["n-shot", "higher_is_better", "n-samples"] as const)
    for (const [task, value] of Object.entries(theirs[key]))
      assert.deepEqual(all[key][task], value, `${key} of ${task}`);
  // A group's is a text there.
  for (const [task, version] of Object.entries(theirs.versions))
    assert.equal(String(all.versions[task]), String(version), `version of ${task}`);
  let numRequests = 0;
  for (const { task, samples, figures } of ours.flatMap(({ results }) => results))
    for (const sample of theirs.samples[task.name]!) {
      const where = `${task.name}, document ${sample.doc_id}, ${sample.filter}`;
      const own = samples[sample.doc_id]!;
      const { request } = own.item;
      const given =
        request.kind === "choices"
          ? request.pairs.map(({ context, continuation }) => [context, continuation])
          : [[request.kind === "rolling" ? request.text : request.context]];
      assert.deepEqual(
        given,
        sample.arguments.map((args) => args.slice(0, given[0]!.length)),
        where,
      );
      if (typeof own.responses === "string") {
        assert.equal(own.responses, sample.resps[0], where);
        assert.equal(own.filtered[sample.filter], sample.filtered[0], where);
      } else if (request.kind === "rolling") {
        const sum = own.responses.reduce((total, { logLikelihood }) => total + logLikelihood, 0);
        close(sum, sample.resps[0], where, within);
      } else
        for (const [i, { logLikelihood, isGreedy }] of own.responses.entries()) {
          const [expected, greedy] = sample.resps[i] as [number, boolean];
          close(logLikelihood, expected, `${where}, request ${i}`, within);
          assert.equal(isGreedy, greedy, `${where}, request ${i}`);
        }
      for (const [metric, expected] of Object.entries(sample.metrics)) {
        const figure = figures.find((one) => one.metric === metric && one.filter === sample.filter);
        const { value, weight } = figure!.values[sample.doc_id]!;
        const [theirValue, theirWeight] = [expected, 1].flat() as [number, number];
        close(value, theirValue, `${where}: ${metric}`, within);
        assert.equal(weight, theirWeight, `${where}: ${metric}`);
      }
      numRequests += sample.arguments.length;
    }
  assert.ok(numRequests > 150, `${numRequests} requests were compared`);
}

const ours = await ourResults(model, recorded.context);

test("the recorded figures are of the model that is here", () => {
  const bytes = readFileSync(join(modelFolder, "model.safetensors"));
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  assert.equal(recorded.model.sha256, sha256, "run reference/run_lm_eval.py on the new model");
});

test("every request, item and figure equals what lm-evaluation-harness recorded", () => {
  compare(ours, recorded);
});

test("the record holds what could differ: right and wrong, greedy and not, cut contexts", () => {
  const values = (metric: string) =>
    Object.values(recorded.samples).flatMap((all) => all.map(({ metrics }) => metrics[metric]));
  for (const metric of ["acc", "acc_norm", "acc_bytes", "exact_match"])
    assert.deepEqual(
      [values(metric).includes(0), values(metric).includes(1)],
      [true, true],
      metric,
    );
  assert.ok(ours.some(({ results }) => results.some(({ numTruncated }) => numTruncated > 0)));
});

test("the table is the one that the harness prints", () => {
  // With its own figures, so that a digit that rounds the other way does not matter.
  const own = harnessResults(ours);
  const results = Object.fromEntries(
    Object.keys(own.results).map((task) => [task, recorded.results[task]!]),
  );
  const found = { ...own, results };
  assert.equal(harnessTable(found).trimEnd(), recorded.table.trimEnd());
});

test("the harness itself, run over our server at f32 and at q8, finds what we find there", async (t) => {
  const python = pythonWithHarness(t);
  if (python === undefined) return;
  await using packed = await loadModel(modelFolder, { dtype: "q8" });
  await using whole = await serve(model);
  await using eight = await serve(packed);
  const out = mkdtempSync(join(tmpdir(), "engram-lm-eval-"));
  t.after(() => rmSync(out, { recursive: true }));
  const files = ["f32.json", "q8.json"].map((name) => join(out, name));
  const words = ["--url", whole.url, eight.url, "--model", modelFolder, "--tasks", tasksFolder];
  words.push("--context", String(recorded.context), "--out", ...files);
  const said = await run(python, [join(root, "reference/run_lm_eval.py"), ...words]);
  assert.equal(said.code, 0, said.text);
  const [atF32, atQ8] = files.map((file): Found => JSON.parse(readFileSync(file, "utf8")));
  compare(ours, atF32!);
  const oursAtQ8 = await ourResults(packed, recorded.context);
  compare(oursAtQ8, atQ8!, packedTolerance);
  assert.notDeepEqual(harnessResults(oursAtQ8).results, harnessResults(ours).results);
});

async function serve(of: Model): Promise<{ readonly url: string } & AsyncDisposable> {
  const server = createServer(of, { parallel: 1 });
  const listener = await listen(server.fetch, { host: "127.0.0.1", port: 0 });
  await server.ready;
  return {
    url: `${listener.url}/v1/completions`,
    async [Symbol.asyncDispose]() {
      listener.destroy();
      await listener.close();
      await server.close();
    },
  };
}

/** ENGRAM_LM_EVAL is a Python that has the harness; without it, the one on the path. */
function pythonWithHarness(t: TestContext): string | undefined {
  const python = process.env["ENGRAM_LM_EVAL"] || "python3";
  const probe =
    "import importlib.util as u; exit(not (u.find_spec('lm_eval') and u.find_spec('transformers')))";
  if (spawnSync(python, ["-c", probe]).status === 0) return python;
  t.skip(`${python} has no lm_eval and transformers (ENGRAM_LM_EVAL names a Python that has)`);
  return undefined;
}

async function run(
  program: string,
  words: readonly string[],
): Promise<{ code: number | null; text: string }> {
  const child = spawn(program, words, { stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  const keep = (chunk: Buffer): void => void (text = (text + chunk.toString()).slice(-4000));
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, text };
}
