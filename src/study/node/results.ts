/**
 * What came of a study's runs: one file a run, written once, so that a finished run is never done again, whatever becomes
 * of its model. Knows the files of runs; not how they came to be.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { readJsonInside, writeDurably } from "../../checkpoint/node/index.ts";
import { FormatError } from "../../errors.ts";
import { isRecord } from "../../json-values.ts";
import type { DataFile, RunRecord } from "../../training/index.ts";
import { readRunLog, readRunRecord } from "../../training/node/index.ts";
import type { Measured } from "../metrics.ts";
import type { RunResult } from "../run-result.ts";
import { type RunName, runFolder } from "../schedule.ts";

export function runDirectory(out: string, run: RunName): string {
  return join(out, "runs", runFolder(run));
}

function resultFile(out: string, run: RunName): string {
  return join(out, "results", `${runFolder(run)}.json`);
}

/** undefined for a run that is not finished. */
export async function readResult(
  out: string,
  run: RunName & { readonly study: string },
): Promise<RunResult | undefined> {
  const file = resultFile(out, run);
  const found = await readJsonInside(file).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  });
  if (found === undefined) return undefined;
  const result = isResult(found) ? found : undefined;
  if (result?.study !== run.study || result.arm !== run.arm || result.seed !== run.seed)
    throw new FormatError(
      `${file} is no result of this study; remove it, and the run is done again`,
    );
  return result;
}

const counts = ["steps", "numParams", "numRows", "trainTokens", "validBytes", "seconds"];

/** Whether all that a report reads is there as it reads it. */
function isResult(value: unknown): value is RunResult {
  if (!isRecord(value)) return false;
  const { measured, failed, curve = [], versions = {}, machine = {} } = value;
  const isPoint = (one: unknown): boolean =>
    Array.isArray(one) && one.length === 2 && one.every(Number.isFinite);
  return (
    (measured === undefined ? typeof failed === "string" : isMeasured(measured)) &&
    counts.every((name) => value[name] === undefined || Number.isFinite(value[name])) &&
    Array.isArray(curve) &&
    curve.every(isPoint) &&
    isRecord(versions) &&
    isRecord(machine)
  );
}

function isMeasured(value: unknown): value is Measured {
  if (!isRecord(value)) return false;
  const { bitsPerByte, bitsPerByteWithoutMemory: off, tasks = {} } = value;
  return (
    Number.isFinite(bitsPerByte) &&
    (off === undefined || Number.isFinite(off)) &&
    isRecord(tasks) &&
    Object.values(tasks).every(Number.isFinite)
  );
}

export async function writeResult(out: string, result: RunResult): Promise<void> {
  await mkdir(join(out, "results"), { recursive: true });
  await writeDurably(resultFile(out, result), (file) =>
    file.writeFile(`${JSON.stringify(result, undefined, 2)}\n`),
  );
}

/** What the directory of a finished run says of it. Throws `FormatError` if it read others than the registered files. */
export async function trainedResult(
  out: string,
  {
    arm,
    seed,
    study,
    files,
  }: RunName & { readonly study: string; readonly files: readonly DataFile[] },
): Promise<RunResult> {
  const directory = runDirectory(out, { arm, seed });
  const file = join(directory, "training.json");
  const found = await readJsonInside(file);
  if (!isMeasured(found))
    throw new FormatError(`${file}: expected the figures of a finished run; train it again`);
  const summary: Measured &
    Pick<RunResult, "steps" | "numParams" | "numRows" | "trainTokens" | "validBytes"> = found;
  const record = (await readRunRecord(directory)) as Partial<RunRecord> | undefined;
  const { command, commit, versions, machine, data = [], valid = [] } = record ?? {};
  for (const { name, sha256 } of [...data, ...valid])
    if (!files.some((one) => one.sha256 === sha256))
      throw new FormatError(`${name} was changed after the study was registered`);
  const { steps, numParams, numRows, trainTokens, validBytes } = summary;
  const { bitsPerByte, bitsPerByteWithoutMemory } = summary;
  return {
    arm,
    seed,
    study,
    measured: { bitsPerByte, bitsPerByteWithoutMemory },
    command,
    commit,
    versions,
    machine,
    steps,
    numParams,
    numRows,
    trainTokens,
    validBytes,
    ...(await readLog(directory)),
  };
}

/** Of the steps that were done and kept; 0 for a run that has not begun. */
export async function readLog(
  directory: string,
): Promise<{ seconds: number; curve: [number, number][] }> {
  let seconds = 0;
  const curve: [number, number][] = [];
  let cursor = "";
  for (let isEnd = false; !isEnd;) {
    const part = await readRunLog(join(directory, "metrics.jsonl"), { cursor });
    for (const line of part.lines) {
      if (typeof line["seconds"] === "number") seconds += line["seconds"];
      if (typeof line["validBitsPerByte"] === "number")
        curve.push([line.step, line["validBitsPerByte"]]);
    }
    ({ cursor, isEnd } = part);
  }
  return { seconds, curve };
}
