/** Starts the process that does a job of a study, and hears it out. Knows processes; not what they train. */
import { type ChildProcess, fork } from "node:child_process";
import { EngramError, FormatError, InvalidConfigError } from "../../errors.ts";
import type { Answer, Done, Job, Order } from "./arm-job.ts";

// A source or what was built of it, as this module is.
const program = new URL(
  `./arm-program${/\.[cm]?[jt]s$/.exec(import.meta.url)?.[0] ?? ".js"}`,
  import.meta.url,
);

/** Rejects with what the process failed of. An aborted `signal` lets it save: its answer is then "stopped". */
export function doJob(
  job: Job,
  {
    signal,
    onStep = () => undefined,
  }: {
    signal: AbortSignal;
    onStep?: (step: Extract<Answer, { type: "step" }>) => void;
  },
): Promise<Done> {
  if (signal.aborted) return Promise.resolve({ type: "done", outcome: "stopped" });
  // Results are said in messages; what a process prints is no part of them, but what it complains of is.
  const child = fork(program, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const order = (message: Order): void => {
    if (child.connected) child.send(message, () => undefined);
  };
  const onAbort = (): void => order({ type: "stop" });
  signal.addEventListener("abort", onAbort);
  return new Promise<Done>((resolve, reject) => {
    let last: Exclude<Answer, { type: "step" }> | undefined;
    child.on("message", (message: Answer) => {
      if (message.type === "step") onStep(message);
      else last = message;
    });
    child.once("error", reject);
    // "close" comes after the last message.
    child.once("close", () => {
      if (last?.type === "done") resolve(last);
      else reject(last === undefined ? endedEarly(child) : failureOf(last));
    });
    order({ type: "begin", job });
  }).finally(() => signal.removeEventListener("abort", onAbort));
}

function endedEarly({ signalCode, exitCode }: ChildProcess): EngramError {
  return new EngramError(
    "process_ended",
    signalCode === null
      ? `its process ended with code ${exitCode}`
      : `its process was ended by ${signalCode}${signalCode === "SIGKILL" ? " (often for want of memory: try --parallel 1)" : ""}`,
  );
}

function failureOf({ code, message }: Extract<Answer, { type: "failed" }>): EngramError {
  if (code === "invalid_config") return new InvalidConfigError(message);
  return code === "bad_format" ? new FormatError(message) : new EngramError(code, message);
}
