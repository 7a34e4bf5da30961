/**
 * The record of a run: one JSON object a line, appended as training goes. Its first line says what the run is
 * to be, under step 0. Reading it back (`run-log.ts`) may meet half a line at the end; resuming first drops what
 * lies beyond the checkpoint, half lines included.
 */
import { appendFile, readFile } from "node:fs/promises";
import { writeDurably } from "../../checkpoint/node/index.ts";

export interface MetricsLine {
  readonly step: number;
  readonly [key: string]: unknown;
}

export async function appendMetrics(file: string, line: MetricsLine): Promise<void> {
  await appendFile(file, `${JSON.stringify(line)}\n`);
}

/** Begins a log that says what the run is to be, in the place of any that is there. */
export async function beginMetrics(file: string, head: Omit<MetricsLine, "step">): Promise<void> {
  await writeDurably(file, (handle) =>
    handle.writeFile(`${JSON.stringify({ step: 0, ...head })}\n`),
  );
}

/** Keeps the lines of steps 0..`step`: those after it will be trained, and written, again. */
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
  // Aside and renamed: a crash meanwhile must not take the history with it.
  await writeDurably(file, (handle) => handle.writeFile(kept.map((line) => `${line}\n`).join("")));
}
