/**
 * The record of a run: one JSON object a line, appended as training goes. Its first line says what the run is
 * to be, under step 0. Reading it back (`run-log.ts`) may meet half a line at the end; resuming first drops what
 * lies beyond the checkpoint, half lines included. Knows what it has written so far, for a checkpoint to vouch for.
 */
import { appendFile, readFile } from "node:fs/promises";
import { type FileRecord } from "../../checkpoint/index.ts";
import { findDamageIn, writeDurably } from "../../checkpoint/node/index.ts";
import { crc32c } from "../../numerics/index.ts";

export interface MetricsLine {
  readonly step: number;
  readonly [key: string]: unknown;
}

export interface GoOnOptions {
  /** The checkpoint's: lines after it will be trained, and written, again. */
  readonly step: number;
  /** What the log was when the checkpoint was saved; undefined where that is not known. */
  readonly record: FileRecord | undefined;
  /** Told if it is that no longer. The lines that can be read are kept. */
  readonly onDamage: (text: string) => void;
}

export class MetricsLog {
  readonly #file: string;
  #bytes = 0;
  #sum = 0;

  private constructor(file: string) {
    this.#file = file;
  }

  /** Begins a log that says what the run is to be, in the place of any that is there. */
  static async begin(file: string, head: Omit<MetricsLine, "step">): Promise<MetricsLog> {
    const log = new MetricsLog(file);
    await log.#write(encode({ step: 0, ...head }));
    return log;
  }

  /** Goes on with the log as it was at the checkpoint. */
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

  /** Size and sum of what it holds by now. */
  get record(): FileRecord {
    return { bytes: this.#bytes, partBytes: this.#bytes, sums: [this.#sum] };
  }

  async #write(bytes: Uint8Array): Promise<void> {
    // Aside and renamed: a crash meanwhile must not take the history with it.
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
