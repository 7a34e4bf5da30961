/** The training run of a model, if its directory still has the log. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { openRuns, type Run } from "../training/node/index.ts";

export function runsOfModel(directory: string): Run[] {
  return existsSync(join(directory, "metrics.jsonl")) ? openRuns([directory]) : [];
}
