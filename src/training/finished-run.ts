/**
 * A run that is over, by what it left beside its model. Knows what stands in those files; not where they are, and
 * reads none of them.
 */
import { isRecord } from "../json-values.ts";
import {
  advance,
  emptyProgress,
  linesIn,
  type RunSummary,
  summaryOf,
  type TrainingLine,
} from "./run-progress.ts";
import { parseRunRecord, settingsOf } from "./run-record.ts";

export interface FinishedRun {
  readonly name: string;
  summary(): Promise<RunSummary>;
  /** The lines after those of an earlier call, whose cursor this is; "" is the beginning. */
  read(options: { readonly cursor: string }): Promise<{
    readonly lines: readonly TrainingLine[];
    readonly cursor: string;
    readonly isRestart: boolean;
    readonly isEnd: boolean;
  }>;
}

const END = "end";

/** `log` is metrics.jsonl; run.json and training.json say less where they are missing or cannot be read. */
export function finishedRun(
  name: string,
  {
    log,
    record,
    result,
  }: { log: Uint8Array; record?: string | undefined; result?: string | undefined },
): FinishedRun {
  const lines = linesIn(log);
  const progress = emptyProgress();
  for (const line of lines) advance(progress, line);
  const found = { name, path: "", updatedAt: undefined, result: resultIn(result) };
  const summary = { ...summaryOf(progress, found), settings: settingsIn(record) };
  return {
    name,
    summary: async () => summary,
    read: async ({ cursor }) => ({
      lines: cursor === END ? [] : lines,
      cursor: END,
      isRestart: cursor !== END && cursor !== "",
      isEnd: true,
    }),
  };
}

function resultIn(text: string | undefined): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text ?? "");
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function settingsIn(text: string | undefined): Record<string, string> {
  try {
    return Object.fromEntries(settingsOf(parseRunRecord(text ?? "", "run.json")));
  } catch {
    return {};
  }
}
