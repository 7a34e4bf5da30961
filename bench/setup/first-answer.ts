/**
 * A command of `engram` as a process of its own: when the first character of its answer comes, the processor time of all
 * its threads until then, and its memory after the answer. Linux only (/proc), but for the first of these.
 */
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

export interface FirstAnswer {
  readonly seconds: number;
  /** User and system, of all threads. */
  readonly processorSeconds: number;
  /** MiB, after the answer; undefined where the process ends with it. */
  readonly memory?: MemoryNow | undefined;
}

export interface MemoryNow {
  readonly resident: number;
  readonly largest: number;
  /** Resident, of files that are mapped: shared with the page cache and with other processes. */
  readonly ofFiles: number;
  /** Resident, and of no file. */
  readonly own: number;
}

export interface CommandToStart {
  readonly main: string;
  readonly words: readonly string[];
  /** Bytes that are written before the answer. */
  readonly behind?: number;
  /** Lines to answer. The process is measured after the first answer, and its input ended then. */
  readonly input?: string;
  /** In place of the user's cache. */
  readonly cache?: string;
}

/** In ticks of the kernel's clock, of which a second has a hundred nearly everywhere. */
const ticks = Number(spawnSync("getconf", ["CLK_TCK"], { encoding: "utf8" }).stdout) || 100;
/** After a line's end, nothing more comes for so long: the answer is over. */
const QUIET_MS = 1000;

export function firstAnswer({
  main,
  words,
  behind = 0,
  input,
  cache,
}: CommandToStart): Promise<FirstAnswer> {
  const start = performance.now();
  const child = spawn(process.execPath, [main, ...words], {
    stdio: [input === undefined ? "ignore" : "pipe", "pipe", "inherit"],
    env: { ...process.env, ...(cache !== undefined && { XDG_CACHE_HOME: cache }) },
  });
  child.stdin?.write(input);
  return new Promise((resolve, reject) => {
    let written = 0;
    let first: Omit<FirstAnswer, "memory"> | undefined;
    let memory: MemoryNow | undefined;
    let quiet: NodeJS.Timeout | undefined;
    const isOver = (): void => {
      memory = memoryOf(child.pid!);
      child.stdin!.end();
    };
    child.stdout!.on("data", (chunk: Buffer) => {
      written += chunk.length;
      if (written <= behind) return;
      first ??= {
        seconds: (performance.now() - start) / 1000,
        processorSeconds: processorSeconds(child.pid!),
      };
      clearTimeout(quiet);
      if (input !== undefined && chunk.at(-1) === 0x0a) quiet = setTimeout(isOver, QUIET_MS);
    });
    child.on("exit", (code) => {
      clearTimeout(quiet);
      if (code === 0 && first !== undefined) resolve({ ...first, memory });
      else reject(new Error(`engram ${words[0]} ended with ${code}, ${written} bytes written`));
    });
  });
}

function processorSeconds(pid: number): number {
  // The name of the program, in parentheses, may hold anything.
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticks;
}

function memoryOf(pid: number): MemoryNow {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const mib = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) / 1024;
  return {
    resident: mib("VmRSS"),
    largest: mib("VmHWM"),
    ofFiles: mib("RssFile"),
    own: mib("RssAnon") + mib("RssShmem"),
  };
}
