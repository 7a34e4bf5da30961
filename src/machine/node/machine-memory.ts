/**
 * How much memory this machine has, and how much this program may use: the kernel's estimate, and the limits of all
 * control groups of the program, up to the root (containers use control groups). Reads; decides nothing.
 *
 * A group's use counts the files it has read, which the kernel gives back when asked, so they are taken off
 * (`inactive_file`), as container engines do when they show memory in use.
 */
import { readFileSync } from "node:fs";
import { freemem, totalmem } from "node:os";
import type { MachineMemory } from "../memory-plan.ts";

/** The text of a file, or undefined if it cannot be read. */
export type ReadText = (path: string) => string | undefined;

export interface MachineMemoryOptions {
  /** For tests: another machine's files. */
  readonly read?: ReadText;
}

export function readMachineMemory({ read = readText }: MachineMemoryOptions = {}): MachineMemory {
  const info = read("/proc/meminfo") ?? "";
  const totalBytes = kibibytes(info, "MemTotal") ?? totalmem();
  let availableBytes = kibibytes(info, "MemAvailable") ?? freemem();
  let limitBytes = Infinity;
  for (const { limit, used } of groupsOf(read)) {
    limitBytes = Math.min(limitBytes, limit);
    availableBytes = Math.min(availableBytes, Math.max(0, limit - used));
  }
  return limitBytes < totalBytes
    ? { totalBytes, availableBytes, limitBytes }
    : { totalBytes, availableBytes };
}

interface GroupMemory {
  readonly limit: number;
  readonly used: number;
}

/** Names of the two versions' files. */
interface GroupFiles {
  readonly root: string;
  readonly limit: string;
  readonly used: string;
  readonly cache: RegExp;
}

const version2: GroupFiles = {
  root: "/sys/fs/cgroup",
  limit: "memory.max",
  used: "memory.current",
  cache: /^inactive_file (\d+)$/m,
};

const version1: GroupFiles = {
  root: "/sys/fs/cgroup/memory",
  limit: "memory.limit_in_bytes",
  used: "memory.usage_in_bytes",
  cache: /^total_inactive_file (\d+)$/m,
};

/** Every group with a limit that this program is in. A line of the list is "0::/path" or "4:memory:/path". */
function* groupsOf(read: ReadText): Generator<GroupMemory> {
  for (const line of (read("/proc/self/cgroup") ?? "").split("\n")) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) continue;
    const files =
      controllers === ""
        ? version2
        : controllers.split(",").includes("memory")
          ? version1
          : undefined;
    if (files === undefined) continue;
    // Inside a container the path may be the host's, of which only the root is visible.
    const parts = path.split("/").filter((part) => part !== "");
    for (let depth = parts.length; depth >= 0; depth--) {
      const folder = [files.root, ...parts.slice(0, depth)].join("/");
      const group = groupAt(folder, files, read);
      if (group !== undefined) yield group;
    }
  }
}

function groupAt(folder: string, files: GroupFiles, read: ReadText): GroupMemory | undefined {
  const limit = Number(read(`${folder}/${files.limit}`)?.trim() || Number.NaN);
  // "max", or no such file.
  if (!Number.isFinite(limit)) return undefined;
  const current = Number(read(`${folder}/${files.used}`) ?? 0);
  const [, cache = "0"] = files.cache.exec(read(`${folder}/memory.stat`) ?? "") ?? [];
  return { limit, used: Math.max(0, current - Number(cache)) };
}

function kibibytes(info: string, name: string): number | undefined {
  const [, text] = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(info) ?? [];
  return text === undefined ? undefined : 1024 * Number(text);
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
