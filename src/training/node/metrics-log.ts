/**
 * The record of a run: one JSON object a line, appended as training goes. Reading it back never meets
 * half a line, because resuming first drops what lies beyond the checkpoint.
 */
import { appendFile, readFile, writeFile } from "node:fs/promises";

export interface MetricsLine {
  readonly step: number;
  readonly [key: string]: unknown;
}

export async function appendMetrics(file: string, line: MetricsLine): Promise<void> {
  await appendFile(file, `${JSON.stringify(line)}\n`);
}

/** Keeps the lines of steps 1..`step`: those after it will be trained, and written, again. */
export async function truncateMetrics(file: string, step: number): Promise<void> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  const kept = text.split("\n").filter((line) => {
    try {
      return (JSON.parse(line) as MetricsLine).step <= step;
    } catch {
      return false;
    }
  });
  await writeFile(file, kept.map((line) => `${line}\n`).join(""));
}
