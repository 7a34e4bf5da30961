/** The worker's side: a table of tasks, and errors in a form that can be sent. Knows no platform and no task. */
import {
  BackendError,
  FormatError,
  InvalidConfigError,
  NonFiniteError,
  RequestError,
  StoreError,
} from "../errors.ts";

/** The tasks of a worker, by name. A task may keep state between calls. Its input is a clone. */
export type Tasks = Readonly<Record<string, (input: never) => unknown>>;

export interface TaskMessage {
  readonly task: string;
  readonly input: unknown;
}

export type TaskAnswer = { readonly output: unknown } | { readonly error: ErrorDescription };

export interface ErrorDescription {
  readonly kind: string;
  readonly message: string;
}

/** Errors that keep their class on the other side. Others become an `Error` that names their class. */
const errorKinds = {
  BackendError,
  FormatError,
  InvalidConfigError,
  NonFiniteError,
  RequestError,
  StoreError,
} as const;

/** Runs one task. Never throws. */
export async function answerTasks(tasks: Tasks, message: TaskMessage): Promise<TaskAnswer> {
  try {
    const task = tasks[message.task];
    if (task === undefined) throw new Error(`this worker has no task "${message.task}"`);
    return { output: await task(message.input as never) };
  } catch (error) {
    return { error: describeError(error) };
  }
}

/** The form in which an error is sent. */
export function describeError(cause: unknown): ErrorDescription {
  const error = cause instanceof Error ? cause : new Error(String(cause));
  // Not by the name of the class, which bundlers shorten.
  const known = Object.entries(errorKinds).find(([, Kind]) => error instanceof Kind);
  return { kind: known?.[0] ?? error.name, message: error.message };
}

/** Recreates the error of an answer on the caller's side. */
export function errorOf({ kind, message }: ErrorDescription): Error {
  const Kind = errorKinds[kind as keyof typeof errorKinds];
  if (Kind !== undefined) return new Kind(message);
  const error = new Error(message);
  error.name = kind;
  return error;
}
