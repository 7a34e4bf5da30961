/** The benchmarks of a study: opened, held to what the study wants of them, told by digest, and asked of a model. */
import { createHash } from "node:crypto";
import { InvalidConfigError } from "../../errors.ts";
import { evaluateSet, harnessResults, type Subject, type TaskSet } from "../../eval/tasks/index.ts";
import { openJudge, openTasks } from "../../eval/tasks/node/index.ts";
import type { Model } from "../../opened-model.ts";
import type { DataFile } from "../../training/index.ts";
import { describeFile } from "../../training/node/index.ts";
import { canonicalJson } from "../canonical.ts";
import { metricOf, taskMetrics } from "../metrics.ts";
import type { Study, StudyTask } from "../study-file.ts";

/** The task files and, as one, what their tasks ask. Throws `InvalidConfigError` for a metric that none of them has. */
export async function describeTasks(
  { tasks, metrics }: Pick<Study, "tasks" | "metrics">,
  signal: AbortSignal,
): Promise<DataFile[]> {
  const files: DataFile[] = [];
  const offered = new Set<string>();
  for (const { file: name, data } of tasks) {
    const set = await openTasks(name, { data });
    for (const metric of taskMetrics(set)) {
      if (offered.has(metric))
        throw new InvalidConfigError(`${name}: another task of the study has ${metric}, too`);
      offered.add(metric);
    }
    const asked = canonicalJson(
      set.tasks.map(({ name: task, documents, fewShotDocuments }) => ({
        task,
        documents,
        fewShotDocuments,
      })),
    );
    files.push({ ...(await describeFile(name, { signal })), name });
    files.push({
      name: `${name} (its documents)`,
      bytes: Buffer.byteLength(asked),
      sha256: createHash("sha256").update(asked).digest("hex"),
    });
  }
  for (const metric of metrics)
    if (metricOf(metric)!.isOfTask && !offered.has(metric))
      throw new InvalidConfigError(
        `there is no metric "${metric}"; the study's tasks have: ${[...offered].filter((one) => !one.endsWith("/off")).join("; ") || "none, since it has no tasks"}`,
      );
  return files;
}

/** Those of `metrics` that are of tasks. */
export async function askTasks(
  model: Model,
  { tasks, metrics }: { tasks: readonly StudyTask[]; metrics: readonly string[] },
  signal: AbortSignal,
): Promise<Record<string, number>> {
  const wanted = metrics.filter((name) => metricOf(name)!.isOfTask);
  const found: Record<string, number> = {};
  const opened: { set: TaskSet; limit: number | undefined }[] = [];
  for (const { file, data, limit } of tasks)
    opened.push({ set: await openTasks(file, { data }), limit });
  using judging = openJudge();
  for (const suffix of ["", "/off"]) {
    const isOff = suffix !== "";
    const names = wanted.filter((name) => name.endsWith("/off") === isOff);
    if (names.length === 0 || (isOff && !model.hasMemory)) continue;
    const subject: Subject = {
      tokenizer: model.tokenizer,
      language: isOff ? model.languageModel({ memory: false }) : model.language,
      scale: 1,
    };
    for (const { set, limit } of opened) {
      if (!taskMetrics(set).some((name) => names.includes(name))) continue;
      // Standard errors are the seeds' affair here.
      const result = await evaluateSet(subject, set, {
        judge: judging.judge,
        limit,
        bootstrap: false,
        signal,
      });
      for (const [task, figures] of Object.entries(harnessResults([result]).results))
        for (const [key, value] of Object.entries(figures)) {
          const name = `${task}/${key}${suffix}`;
          if (names.includes(name) && typeof value === "number") found[name] = value;
        }
    }
  }
  return found;
}
