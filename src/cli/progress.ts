/**
 * Progress on stderr: one line that is rewritten on a terminal, plain lines at intervals otherwise (no TTY, CI,
 * NO_COLOR, a dumb terminal). Knows only the fields of a training step. Never writes to stdout.
 */
import { printable } from "./printable.ts";

export interface Progress {
  /** The present state. Some states may be skipped. */
  update(line: string): void;
  /** A line that stays. */
  note(line: string): void;
  /** Leaves the last state as a line. */
  end(): void;
}

/** What is needed of stderr. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export interface ProgressOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Milliseconds from any fixed point. */
  readonly now?: () => number;
}

/** Faster than this is flicker. */
const liveInterval = 100;
/** A log of a four-minute run has about fifty lines. */
const plainInterval = 5000;

export function createProgress(stream: ProgressStream, options: ProgressOptions = {}): Progress {
  const { env = {}, now = () => performance.now() } = options;
  const shown = isLive(stream, env) ? liveProgress(stream, now) : plainProgress(stream, now);
  return {
    update: (line) => shown.update(printable(line)),
    note: (line) => shown.note(printable(line)),
    end: () => shown.end(),
  };
}

/** NO_COLOR and CI count when they are set and not empty (no-color.org). */
function isLive(stream: ProgressStream, env: NonNullable<ProgressOptions["env"]>): boolean {
  return stream.isTTY === true && !env["NO_COLOR"] && !env["CI"] && env["TERM"] !== "dumb";
}

const eraseLine = "\r\u001b[2K";

function liveProgress(stream: ProgressStream, now: () => number): Progress {
  let current = "";
  let shownAt = -Infinity;
  const show = (): void => {
    // A line that wraps could not be erased.
    // Some terminals do not know their width and say 0.
    const width = Math.max(20, (stream.columns || 80) - 1);
    const fitting = current.length > width ? `${current.slice(0, width - 1)}…` : current;
    stream.write(`${eraseLine}${fitting}`);
    shownAt = now();
  };
  return {
    update(line) {
      current = line;
      if (now() - shownAt >= liveInterval) show();
    },
    note(line) {
      stream.write(`${current === "" ? "" : eraseLine}${line}\n`);
      if (current !== "") show();
    },
    end() {
      if (current === "") return;
      show();
      stream.write("\n");
      current = "";
    },
  };
}

function plainProgress(stream: ProgressStream, now: () => number): Progress {
  let pending: string | undefined;
  let shownAt = -Infinity;
  const show = (line: string): void => {
    stream.write(`${line}\n`);
    pending = undefined;
  };
  return {
    update(line) {
      pending = line;
      if (now() - shownAt < plainInterval) return;
      shownAt = now();
      show(line);
    },
    note(line) {
      // The last state comes before the note.
      if (pending !== undefined) show(pending);
      stream.write(`${line}\n`);
    },
    end() {
      if (pending !== undefined) show(pending);
    },
  };
}

/** One step of training, as far as it is shown. */
export interface TrainingStatus {
  readonly step: number;
  readonly steps: number;
  /** Nats per token. */
  readonly loss: number;
  /** Of the last validation, if there was one. */
  readonly validationBitsPerByte?: number;
  readonly tokensPerSecond: number;
  readonly secondsLeft: number;
  /** Mean gate of each layer that carries memory. */
  readonly gates: readonly { readonly layer: number; readonly mean: number }[];
}

/** "120/600  loss 4.213  valid 2.871 bpb  gate L1 0.48  9,870 tok/s  2:41 left": fits 80 columns. */
export function formatTrainingStatus(status: TrainingStatus): string {
  const { step, steps, loss, validationBitsPerByte, tokensPerSecond, secondsLeft, gates } = status;
  return [
    `${step}/${steps}`,
    `loss ${loss.toFixed(3)}`,
    ...(validationBitsPerByte === undefined
      ? []
      : [`valid ${validationBitsPerByte.toFixed(3)} bpb`]),
    ...(gates.length === 0
      ? []
      : [`gate ${gates.map(({ layer, mean }) => `L${layer} ${mean.toFixed(2)}`).join(" ")}`]),
    `${Math.round(tokensPerSecond).toLocaleString("en-US")} tok/s`,
    `${formatDuration(secondsLeft)} left`,
  ].join("  ");
}

/** "0:05", "12:34", "1:02:03"; "?" before anything is known. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  const whole = Math.max(0, Math.round(seconds));
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const rest = String(whole % 60).padStart(2, "0");
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}
