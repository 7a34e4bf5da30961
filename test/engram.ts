/**
 * The command line, run in this process: what a command writes, and the code with which it would exit. A process of its
 * own costs most commands more than their work; tests of signals, kills, locks, limits and servers start one all the same.
 */
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { commands } from "../src/cli/registry.ts";
import { type CliWorld, runCli } from "../src/cli/run-cli.ts";

export interface Ending {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command of `words`, by default with this process's environment, nothing to read and nobody at a terminal. */
export async function runEngram(
  words: readonly string[],
  world: Partial<CliWorld> = {},
): Promise<Ending> {
  let stdout = "";
  let stderr = "";
  const status = await runCli(words, {
    commands,
    stdin: Readable.from([]),
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
    env: process.env,
    signal: new AbortController().signal,
    terminal: { isInteractive: false, openBrowser: undefined },
    ...world,
  });
  return { status, stdout, stderr };
}

export function engram(...words: string[]): Promise<Ending> {
  return runEngram(words);
}

/** The one JSON document that a command prints. */
// oxlint-disable-next-line typescript/no-explicit-any -- tests look into documents of many shapes
export async function engramJson(...words: string[]): Promise<any> {
  const { status, stdout, stderr } = await engram(...words, "--json");
  assert.equal(status, 0, stderr);
  assert.equal(stdout.indexOf("\n"), stdout.length - 1, "stdout is one line");
  return JSON.parse(stdout);
}
