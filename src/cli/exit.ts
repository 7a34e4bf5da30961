/**
 * What an error means to the caller of a command: an exit code, a stable word, a sentence. Does not print and does
 * not end the process.
 */
import { CommanderError } from "commander";
import {
  EngramError,
  FormatError,
  InvalidConfigError,
  RequestError,
  ShapeError,
} from "../errors.ts";

/** Success; failure; wrong use or input, which fails again when retried; stopped by Ctrl-C. */
export const exitCodes = { success: 0, failure: 1, badInput: 2, interrupted: 130 } as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export interface ErrorReport {
  readonly exitCode: ExitCode;
  /** Stable across versions; in the `--json` document. */
  readonly code: string;
  /** One line. */
  readonly message: string;
}

export function reportOf(error: unknown): ErrorReport {
  const { exitCode, code, message } = classify(error);
  return { exitCode, code, message: message.replaceAll(/\s*\n\s*/g, "; ") };
}

function classify(error: unknown): ErrorReport {
  if (error instanceof CommanderError)
    return {
      exitCode: exitCodes.badInput,
      code: "bad_usage",
      message: withHelp(error),
    };
  if (error instanceof EngramError) {
    const isInput = inputErrors.some((kind) => error instanceof kind);
    return {
      exitCode: isInput ? exitCodes.badInput : exitCodes.failure,
      code: error.code,
      message: error.message,
    };
  }
  if (!(error instanceof Error))
    return { exitCode: exitCodes.failure, code: "internal", message: String(error) };
  if (error.name === "AbortError")
    return { exitCode: exitCodes.interrupted, code: "aborted", message: "stopped on request" };
  const { code, path } = error as NodeJS.ErrnoException;
  const reason = code === undefined ? undefined : pathErrors[code];
  if (reason !== undefined && path !== undefined)
    return { exitCode: exitCodes.badInput, code: "bad_path", message: `${path}: ${reason}` };
  if (code !== undefined)
    return { exitCode: exitCodes.failure, code: "system", message: error.message };
  return {
    exitCode: exitCodes.failure,
    code: "internal",
    message: `${error.name}: ${error.message} (a bug of engram; ENGRAM_DEBUG=1 prints the stack)`,
  };
}

/** Words like none there is lead to the help; to a word that is like one, Commander leads by itself. */
function withHelp({ code, message }: CommanderError): string {
  const plain = message.replace(/^error: /, "");
  const isLost = code.startsWith("commander.unknown") && !plain.includes("Did you mean");
  return isLost ? `${plain}; --help lists what there is` : plain;
}

const inputErrors = [InvalidConfigError, FormatError, RequestError, ShapeError] as const;

/** What the operating system says about a path that the user gave. */
const pathErrors: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory; check the path",
  EEXIST: "is a file; expected a directory, or a name that is free",
  EISDIR: "expected a file, it is a directory",
  ENOTDIR: "a part of the path is a file, not a directory",
  EACCES: "permission denied",
  ELOOP: "the symbolic link leads in a circle",
  ENAMETOOLONG: "the name is too long",
};
