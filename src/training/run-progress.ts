/** How far a run is, from the lines of its log. Knows lines; not where they are. */
import { recordOf } from "../json-values.ts";

/** A line of a run's log. */
export interface TrainingLine {
  readonly step: number;
  readonly [key: string]: unknown;
}

/**
 * `finished`: there is a training.json. `running`: not finished, and the log grew lately. `stopped`: not finished,
 * and the log did not grow lately. `empty`: there is no log yet.
 */
export type RunState = "finished" | "running" | "stopped" | "empty";

/** The progress of a run. Values that are not in the log yet are undefined. */
export interface RunSummary {
  readonly name: string;
  readonly path: string;
  readonly state: RunState;
  /** Of the last line, in milliseconds since 1970. */
  readonly updatedAt: number | undefined;
  /** Updates done, and to be done. */
  readonly step: number;
  readonly steps: number | undefined;
  /** Tokens trained on so far, repeats included. */
  readonly tokens: number;
  /** Time of steps, without validation and checkpoints. */
  readonly seconds: number;
  readonly numParams: number | undefined;
  readonly numRows: number | undefined;
  /** Mean nats a token of the last steps, up to 50. */
  readonly loss: number | undefined;
  readonly tokensPerSecond: number | undefined;
  /** Of the last step, by layer. */
  readonly gates: Readonly<Record<string, number>>;
  /** Of the last validation; of the whole held-out text once the run is finished. */
  readonly validBitsPerByte: number | undefined;
  readonly validStep: number | undefined;
  /** The same with the memory switched off; only finished runs measure it. */
  readonly bitsPerByteWithoutMemory: number | undefined;
  /** The same of a model that was trained without memory, if there is one for comparison. */
  readonly bitsPerByteTrainedWithout: number | undefined;
  /** What the run is, from run.json: "training.lr" -> "0.003". Empty where that is not there or cannot be read. */
  readonly settings: Readonly<Record<string, string>>;
}

/** A running training writes a line for each step, also on a busy machine within this time. */
const QUIET_MS = 60_000;

export interface Progress {
  step: number;
  tokens: number;
  seconds: number;
  losses: number[];
  last: TrainingLine | undefined;
  head: TrainingLine | undefined;
  valid: TrainingLine | undefined;
}

/** Skips what is no JSON object with a step. */
export function linesIn(bytes: Uint8Array): TrainingLine[] {
  return new TextDecoder()
    .decode(bytes)
    .split("\n")
    .flatMap((text) => {
      try {
        const line = JSON.parse(text) as TrainingLine | null;
        return Number.isInteger(line?.step) ? [line!] : [];
      } catch {
        return [];
      }
    });
}

export function emptyProgress(): Progress {
  return {
    step: 0,
    tokens: 0,
    seconds: 0,
    losses: [],
    last: undefined,
    head: undefined,
    valid: undefined,
  };
}

const MEAN_STEPS = 50;

export function advance(progress: Progress, line: TrainingLine): void {
  if (line.step === 0) progress.head = line;
  if (numberIn(line, "validBitsPerByte") !== undefined) progress.valid = line;
  const loss = numberIn(line, "loss");
  if (loss === undefined) return;
  progress.step = line.step;
  progress.last = line;
  const tokens = numberIn(line, "numTokens") ?? 0;
  progress.tokens += tokens;
  progress.seconds += secondsOf(line);
  progress.losses.push(loss);
  if (progress.losses.length > MEAN_STEPS) progress.losses.shift();
}

/** Logs of earlier versions have no `seconds`; their smoothed pace gives nearly the same sum. */
function secondsOf(line: TrainingLine): number {
  const pace = numberIn(line, "tokensPerSecond") ?? 0;
  return numberIn(line, "seconds") ?? (pace > 0 ? (numberIn(line, "numTokens") ?? 0) / pace : 0);
}

export function summaryOf(
  { step, tokens, seconds, losses, last, head, valid }: Progress,
  more: {
    name: string;
    path: string;
    updatedAt: number | undefined;
    result: Record<string, unknown> | undefined;
  },
): Omit<RunSummary, "settings"> {
  const { name, path, updatedAt, result } = more;
  const known = { ...head, ...result };
  const isQuiet = updatedAt === undefined || Date.now() - updatedAt > QUIET_MS;
  const unfinished = step === 0 && isQuiet ? "empty" : isQuiet ? "stopped" : "running";
  return {
    name,
    path,
    state: result !== undefined ? "finished" : unfinished,
    updatedAt,
    step,
    steps: numberIn(known, "steps"),
    tokens,
    seconds,
    numParams: numberIn(known, "numParams"),
    numRows: numberIn(known, "numRows"),
    loss: losses.length === 0 ? undefined : losses.reduce((a, b) => a + b) / losses.length,
    tokensPerSecond: numberIn(last, "tokensPerSecond"),
    gates: gatesOf(last),
    validBitsPerByte: numberIn(result, "bitsPerByte") ?? numberIn(valid, "validBitsPerByte"),
    validStep: result === undefined ? valid?.step : numberIn(result, "steps"),
    bitsPerByteWithoutMemory:
      numberIn(result, "bitsPerByteWithoutMemory") ?? numberIn(valid, "bitsPerByteWithoutMemory"),
    bitsPerByteTrainedWithout: numberIn(result, "bitsPerByteTrainedWithout"),
  };
}

function gatesOf(line: TrainingLine | undefined): Record<string, number> {
  return Object.fromEntries(
    Object.entries(recordOf(line?.["gates"])).filter((entry): entry is [string, number] =>
      Number.isFinite(entry[1]),
    ),
  );
}

function numberIn(
  record: Readonly<Record<string, unknown>> | undefined,
  key: string,
): number | undefined {
  const value = record?.[key];
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}
