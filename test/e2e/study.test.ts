/**
 * `engram study` as a process: what it registers, what it refuses afterwards, and that kills and Ctrl-C change nothing of
 * what it finds.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { findCheckpoints } from "../../src/checkpoint/node/index.ts";
import { type Ending, engram, engramJson } from "../engram.ts";
import { miniPreset } from "../models/mini-preset.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const main = join(root, "src/cli/main.ts");
const scratch = mkdtempSync(join(tmpdir(), "engram-study-test-"));
after(() => rmSync(scratch, { recursive: true }));
process.chdir(scratch);

/** The mini preset by the names that a study file may set. */
const mini = Object.fromEntries(
  Object.entries(miniPreset).flatMap(([part, values]): [string, unknown][] => {
    if (part === "vocabSize") return [[part, values]];
    return typeof values === "object"
      ? Object.entries(values).map(([name, value]) => [`${part}.${name}`, value])
      : [];
  }),
);
const set = { ...mini, steps: undefined, "training.steps": 6, "training.warmupSteps": 1 };
const study = {
  study: 1,
  title: "does a memory help in six steps?",
  hypothesis: "It does, with p < 0.05; <b>so</b> it is.",
  refutation: "The interval of the difference lies above 0.",
  data: ["play.txt"],
  seeds: [0, 5],
  budget: { steps: 24 },
  metrics: ["bitsPerByte", "bitsPerByteMemoryOff"],
  base: "dense",
  arms: { dense: { preset: "tiny", memory: false, set }, memory: { preset: "tiny", set } },
  predictions: [{ metric: "bitsPerByte", difference: { memory: 1, dense: -1 }, atMost: 0 }],
};

before(() => {
  const play = readFileSync(join(root, "assets/tinyshakespeare.txt"), "utf8");
  writeFileSync(join(scratch, "play.txt"), play.slice(0, 12_000));
  writeStudy("study.json");
  writeStudy("sliced.json", { slice: 4 });
});

function writeStudy(name: string, change: object = {}): void {
  writeFileSync(join(scratch, name), JSON.stringify({ ...study, ...change }, undefined, 1));
}

const words = (file: string, out: string): string[] =>
  [main, "study", file, "--out", out].concat("--threads", "1", "--parallel", "2");

/** In this process: it starts its runs as processes either way. */
function engramStudy(file: string, out: string, ...more: string[]): Promise<Ending> {
  return engram(...words(file, out).slice(1), ...more);
}

function read(...path: string[]): string {
  return readFileSync(join(scratch, ...path), "utf8");
}

/** A report without what differs between any two times: when, how long, how it was begun, and the digest of its file. */
function findings(out: string): unknown {
  return JSON.parse(read(out, "report.json"), (name, value: unknown) =>
    ["seconds", "registered", "command", "sha256", "study"].includes(name) ? undefined : value,
  );
}

/** The study done at once, which others are compared with. */
let whole: unknown;
async function wholeFindings(): Promise<unknown> {
  if (whole === undefined) {
    const { status, stdout, stderr } = await engramStudy("study.json", "whole", "--json");
    assert.equal(status, 0, stderr);
    assert.equal(JSON.parse(stdout).runsDone, 4);
    whole = findings("whole");
  }
  return whole;
}

/** Kills as a crash of the machine would: the study and what it started, at once. */
function killAll(child: ChildProcess): void {
  process.kill(-child.pid!, "SIGKILL");
}

/** Begun, and far enough that some run has a checkpoint and no more than one is finished. */
async function begun(file: string, out: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, words(file, out), {
    cwd: scratch,
    detached: true,
    stdio: "ignore",
  });
  const runs = join(scratch, out, "runs");
  const isUnderWay = async (): Promise<boolean> => {
    for (const run of existsSync(runs) ? readdirSync(runs) : [])
      if ((await findCheckpoints(join(runs, run, "checkpoints"))).length > 0) return true;
    return false;
  };
  while (!(await isUnderWay())) {
    assert.equal(child.exitCode, null, "the study ended");
    await sleep(20);
  }
  return child;
}

test("every run of a study is done, compared and told, with where it comes from", async () => {
  const report = (await wholeFindings()) as Record<string, unknown>;
  const figures = new Map<string, number>();
  for (const { arm, seed, measured, commit, machine } of report["runs"] as {
    arm: string;
    seed: number;
    measured: { bitsPerByte: number };
    commit?: string;
    machine: { processor: string };
  }[]) {
    figures.set(`${arm}-${seed}`, measured.bitsPerByte);
    // A run's own file says the same: nothing was measured twice or in another way.
    const summary = JSON.parse(read("whole/runs", `${arm}-${seed}`, "training.json"));
    assert.equal(summary.bitsPerByte, measured.bitsPerByte);
    assert.ok(machine.processor.length > 0 && (commit === undefined || commit.length >= 40));
  }
  const [difference] = report["differences"] as { mean: number; seeds: number }[];
  const by = (seed: number): number =>
    figures.get(`memory-${seed}`)! - figures.get(`dense-${seed}`)!;
  assert.ok(Math.abs(difference!.mean - (by(0) + by(5)) / 2) < 1e-12);
  assert.equal(difference!.seeds, 2);
  const text = read("whole/report.md");
  assert.match(text, /memory 5 \| 6 \|/);
  assert.ok(text.includes("It does, with p \\< 0.05; \\<b\\>so\\</b\\> it is."));
  assert.match(text, /`engram train --data play\.txt --preset tiny .*--seed 5 --threads 1`/);
  assert.ok(![text, read("whole/report.json")].some((one) => one.includes(scratch)));
  assert.match(read("whole/report.svg"), /^<svg xmlns/);
});

test("what was registered is the digest of file, presets and texts", async () => {
  await wholeFindings();
  const { sha256, registered } = JSON.parse(read("whole/study.json"));
  const sorted = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map(sorted)
      : typeof value !== "object" || value === null
        ? value
        : Object.fromEntries(
            Object.entries(value)
              .toSorted(([a], [b]) => (a < b ? -1 : 1))
              .map(([name, inner]) => [name, sorted(inner)]),
          );
  const digest = (text: string): string => createHash("sha256").update(text).digest("hex");
  assert.equal(sha256, digest(JSON.stringify(sorted(registered))));
  assert.deepEqual(registered.study, JSON.parse(read("study.json")));
  assert.equal(registered.files[0].sha256, digest(read("play.txt")));
  assert.equal(registered.arms.memory.training.steps, 6);
});

test("killed in the middle, with all its processes, it goes on to the same report", async () => {
  await wholeFindings();
  const child = await begun("study.json", "killed");
  killAll(child);
  await once(child, "exit");
  const { status, stderr } = await engramStudy("study.json", "killed");
  assert.equal(status, 0, stderr);
  assert.match(stderr, /going on with/);
  // Not from the start: at least one run went on from its checkpoint.
  const records = readdirSync(join(scratch, "killed/runs")).map(
    (run) => JSON.parse(read("killed/runs", run, "run.json")) as object,
  );
  assert.ok(records.some((record) => "resumed" in record));
  assert.deepEqual(findings("killed"), await wholeFindings());
});

test("killed alone, its runs save by themselves, and it waits for them", async () => {
  const child = await begun("study.json", "orphans");
  child.kill("SIGKILL");
  await once(child, "exit");
  const { status, stderr } = await engramStudy("study.json", "orphans");
  assert.equal(status, 0, stderr);
  assert.deepEqual(findings("orphans"), await wholeFindings());
});

test("runs that take turns by slices, stopped by Ctrl-C and gone on with, give the same report", async () => {
  const child = await begun("sliced.json", "stopped");
  // As a terminal does: to the study and to its processes.
  process.kill(-child.pid!, "SIGINT");
  const [code] = await once(child, "exit");
  assert.equal(code, 130);
  for (const run of readdirSync(join(scratch, "stopped/runs")))
    assert.ok(!existsSync(join(scratch, "stopped/runs", run, "training.lock")), run);
  const { status, stderr } = await engramStudy("sliced.json", "stopped");
  assert.equal(status, 0, stderr);
  assert.deepEqual(findings("stopped"), await wholeFindings());
});

test("a finished run is never done again, even where its model is gone", async () => {
  await wholeFindings();
  cpSync(join(scratch, "whole"), join(scratch, "again"), { recursive: true });
  rmSync(join(scratch, "again/runs"), { recursive: true });
  const { status, stderr } = await engramStudy("study.json", "again");
  assert.equal(status, 0, stderr);
  assert.ok(!existsSync(join(scratch, "again/runs")));
  assert.deepEqual(findings("again"), await wholeFindings());
});

test("a study that was changed after it was registered is refused by what was changed", async () => {
  await wholeFindings();
  const report = read("whole/report.json");
  writeStudy("changed.json", {
    predictions: [{ ...study.predictions[0], atMost: 0.5 }],
    seeds: [0, 5, 6],
    budget: { steps: 36 },
  });
  for (const [file, threads, expected] of [
    ["changed.json", [], /since then seeds, budget, predictions changed/],
    ["study.json", ["--threads", "2"], /begun with 1 threads a run.*use --threads 1/],
  ] as const) {
    const { status, stderr } = await engramStudy(file, "whole", ...threads);
    assert.equal(status, 2, stderr);
    assert.match(stderr, expected);
  }
  const play = read("play.txt");
  try {
    writeFileSync(join(scratch, "play.txt"), `${play}More.\n`);
    const { status, stderr } = await engramStudy("study.json", "whole");
    assert.equal(status, 2, stderr);
    assert.match(stderr, /since then play\.txt changed/);
  } finally {
    writeFileSync(join(scratch, "play.txt"), play);
  }
  cpSync(join(scratch, "whole"), join(scratch, "forged"), { recursive: true });
  const registration = read("forged/study.json").replace('"atMost": 0', '"atMost": 1');
  writeFileSync(join(scratch, "forged/study.json"), registration);
  const forged = await engramStudy("study.json", "forged");
  assert.equal(forged.status, 2, forged.stderr);
  assert.match(forged.stderr, /was changed after the study was registered/);
  assert.equal(read("whole/report.json"), report);
});

test("models that are there are measured as eval measures them, benchmarks included", async () => {
  await wholeFindings();
  writeFileSync(join(scratch, "held.txt"), read("play.txt").slice(0, 3000));
  const needle = JSON.parse(readFileSync(join(root, "assets/tasks/needles.json"), "utf8"));
  needle.needles = {
    ...needle.needles,
    lengths: [8, 9],
    depths: [0],
    count: 3,
    needle: "{key}: {value}",
  };
  needle.doc_to_text = "{{key}}:";
  writeFileSync(join(scratch, "needles.json"), JSON.stringify(needle));
  const [one, off] = ["needles_8/log_likelihood,none", "needles/log_likelihood,none/off"];
  writeStudy("tasks.json", {
    seeds: [5],
    valid: ["held.txt"],
    tasks: [{ file: "needles.json", limit: 2 }],
    metrics: ["bitsPerByte", "bitsPerByteMemoryOff", one, off],
    arms: {
      dense: { preset: "tiny", memory: false, set: { ...set, "training.steps": 1 } },
      memory: { model: "whole/runs/memory-{seed}" },
      runaway: { preset: "tiny", memory: false, set: { ...set, "training.lr": 1e30 } },
    },
    predictions: [{ metric: one, difference: { memory: 1, dense: -1 }, atLeast: 0 }],
  });
  const { status, stderr } = await engramStudy("tasks.json", "tasks");
  assert.equal(status, 0, stderr);
  const evaluated = (...more: string[]) =>
    engramJson("eval", "whole/runs/memory-5", ...more, "--threads", "1");
  const text = await evaluated("--bpb", "held.txt");
  const tasks = await evaluated("--tasks", "./needles.json", "--limit", "2");
  const { measured } = JSON.parse(read("tasks/results/memory-5.json"));
  assert.deepEqual(measured, {
    bitsPerByte: text.bitsPerByte,
    bitsPerByteWithoutMemory: text.memoryOff.bitsPerByte,
    tasks: {
      [one]: tasks.results["needles_8"]["log_likelihood,none"],
      [off]: tasks.memoryOff.results["needles"]["log_likelihood,none"],
    },
  });
  const report = JSON.parse(read("tasks/report.json"));
  // Numbers that run away are that arm's result, and no end of the study.
  assert.equal(report.runsDone, 3);
  assert.match(JSON.parse(read("tasks/results/runaway-5.json")).failed, /gradient/);
  const dense = JSON.parse(read("tasks/results/dense-5.json")).measured.tasks[one];
  assert.equal(report.predictions[0].found.mean, measured.tasks[one] - dense);
  assert.equal(report.predictions[0].verdict, "undecided");
  writeStudy("no-task.json", {
    tasks: [{ file: "needles.json" }],
    metrics: ["bitsPerByte", "lambada/acc,none"],
  });
  const refused = await engramStudy("no-task.json", "refused-task");
  assert.equal(refused.status, 2, refused.stderr);
  assert.match(
    refused.stderr,
    /no metric "lambada\/acc,none"; the study's tasks have: needles\/acc,none; /,
  );
  assert.ok(!existsSync(join(scratch, "refused-task")));
  // Other questions are another study.
  needle.needles.seed = 1;
  writeFileSync(join(scratch, "needles.json"), JSON.stringify(needle));
  assert.match(
    (await engramStudy("tasks.json", "tasks")).stderr,
    /since then needles\.json, needles\.json \(its documents\) changed/,
  );
});

test("when its minutes are spent, a study ends with the report of what is finished", async () => {
  await wholeFindings();
  writeFileSync(join(scratch, "scored.txt"), read("play.txt").slice(0, 2000));
  writeStudy("timed.json", {
    seeds: [5],
    valid: ["scored.txt"],
    budget: { steps: 1, minutes: 30 },
    metrics: ["bitsPerByte"],
    arms: {
      dense: { model: "whole/runs/dense-{seed}" },
      memory: { model: "whole/runs/memory-{seed}" },
    },
  });
  assert.equal((await engramStudy("timed.json", "timed")).status, 0);
  const result = JSON.parse(read("timed/results/dense-5.json"));
  writeFileSync(
    join(scratch, "timed/results/dense-5.json"),
    JSON.stringify({ ...result, seconds: 1801 }),
  );
  rmSync(join(scratch, "timed/results/memory-5.json"));
  const { status, stdout, stderr } = await engramStudy("timed.json", "timed", "--json");
  assert.equal(status, 0, stderr);
  assert.match(stderr, /the budget of 30 minutes is spent/);
  assert.equal(JSON.parse(stdout).runsDone, 1);
  assert.match(read("timed/report.md"), /1 of 2 runs are done; what follows is of these/);
});

test("what cannot be is refused before anything is written", async () => {
  writeStudy("no-metric.json", { metrics: ["bitsPerByte", "beauty"] });
  writeStudy("no-time.json", { budget: { steps: 24, minutes: 1e-5 } });
  writeStudy("no-text.json", { data: ["nowhere.txt"] });
  writeFileSync(
    join(scratch, "twice.json"),
    read("study.json").replace('"study": 1,', '"study": 1, "budget": { "steps": 9 },'),
  );
  for (const [file, expected] of [
    ["no-metric.json", /metrics\.1: there is no metric "beauty"; there are: bitsPerByte, /],
    [
      "no-time.json",
      /would take about .* minutes.*dense 2 x 6 steps of .*its budget is 0\.00001 minutes/,
    ],
    ["no-text.json", /nowhere\.txt: no such file/],
    ["twice.json", /the name "budget" occurs twice/],
  ] as const) {
    const { status, stderr } = await engramStudy(file, "refused");
    assert.equal(status, 2, stderr);
    assert.match(stderr, expected);
    assert.ok(!existsSync(join(scratch, "refused")), file);
  }
});
