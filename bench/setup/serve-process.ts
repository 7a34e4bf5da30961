/** `engram serve` as a process of its own, for benches that measure it from outside. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

export interface ServeProcess {
  readonly url: string;
  readonly pid: number;
  /** What it wrote to stderr so far. */
  stderr(): string;
  /** Resolves when the process has ended. */
  stop(): Promise<void>;
}

/** Resolves when the server is ready; `nodeOptions` go to Node itself. */
export async function serveModel(
  directory: string,
  words: readonly string[],
  { nodeOptions = [] }: { nodeOptions?: readonly string[] } = {},
): Promise<ServeProcess> {
  const line = [...nodeOptions, main, "serve", directory, "--port", "0", ...words];
  const child = spawn(process.execPath, line, { stdio: ["ignore", "pipe", "pipe"] });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (part: string) => (stderr += part));
  const closed = once(child, "close");
  let stdout = "";
  for await (const part of child.stdout.setEncoding("utf8")) {
    stdout += part as string;
    const [, url] = /at (http:\S+)\/v1\n/.exec(stdout) ?? [];
    if (url !== undefined)
      return {
        url,
        pid: child.pid!,
        stderr: () => stderr,
        async stop() {
          child.kill("SIGTERM");
          await closed;
        },
      };
  }
  throw new Error(`the server ended early: ${stderr}`);
}
