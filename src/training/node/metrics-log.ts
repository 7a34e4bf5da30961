/**
 * The metrics log of a run: one JSON object on each line, appended during training. The first line is the plan of the
 * run, under step 0. A reader (`run-log.ts`) may meet half a line at the end. Resuming first drops the lines after
 * the checkpoint, half lines included. Keeps size and checksum of the log, for checkpoints.
 */
import { appendFile, readFile } from "node:fs/promises";
import { type FileRecord, findDamageIn } from "../../checkpoint/index.ts";
import { writeDurably } from "../../checkpoint/node/index.ts";
import { crc32c } from "../../numerics/index.ts";
import type { TrainingLine } from "../run-progress.ts";

export type MetricsLine = TrainingLine;

export interface GoOnOptions {
  /** Step of the checkpoint: later lines are dropped, because those steps will run again. */
  readonly step: number;
  /** Size and checksum of the log when the checkpoint was saved; undefined if not known. */
  readonly record: FileRecord | undefined;
  /** Called if the log has changed. The lines that can be read are kept. */
  readonly onDamage: (text: string) => void;
}

export class MetricsLog {
  readonly #file: string;
  #bytes = 0;
  #sum = 0;

  private constructor(file: string) {
    this.#file = file;
  }

  /** Starts a new log with the plan of the run, and replaces an older one. */
  static async begin(file: string, head: Omit<MetricsLine, "step">): Promise<MetricsLog> {
    const log = new MetricsLog(file);
    await log.#write(encode({ step: 0, ...head }));
    return log;
  }

  /** Continues the log as it was at the checkpoint. */
  static async goOn(file: string, { step, record, onDamage }: GoOnOptions): Promise<MetricsLog> {
    const log = new MetricsLog(file);
    let bytes: Uint8Array | undefined;
    try {
      bytes = await readFile(file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
    const then = record && bytes?.subarray(0, record.bytes);
    const [damage] = record === undefined ? [] : findDamageIn(then, record);
    if (damage !== undefined)
      onDamage(`${file}: ${damage.text}; this record of the run is damaged, what it trains is not`);
    const isSound = then !== undefined && damage === undefined;
    await log.#write(isSound ? then : linesUpTo(step, bytes ?? new Uint8Array(0)));
    return log;
  }

  async append(line: MetricsLine): Promise<void> {
    const bytes = encode(line);
    await appendFile(this.#file, bytes);
    this.#count(bytes);
  }

  /** Size and checksum of the present log. */
  get record(): FileRecord {
    return { bytes: this.#bytes, partBytes: this.#bytes, sums: [this.#sum] };
  }

  async #write(bytes: Uint8Array): Promise<void> {
    // Written beside and renamed: a crash must not destroy the history.
    await writeDurably(this.#file, (handle) => handle.writeFile(bytes));
    this.#count(bytes);
  }

  #count(bytes: Uint8Array): void {
    this.#bytes += bytes.length;
    this.#sum = crc32c(bytes, this.#sum);
  }
}

function encode(line: MetricsLine): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(line)}\n`);
}

/** The whole lines of steps 0..`step`. */
function linesUpTo(step: number, bytes: Uint8Array): Uint8Array {
  const kept = new TextDecoder()
    .decode(bytes)
    .split("\n")
    .filter((line) => {
      try {
        return (JSON.parse(line) as MetricsLine).step <= step;
      } catch {
        return false;
      }
    });
  return new TextEncoder().encode(kept.map((line) => `${line}\n`).join(""));
}
