import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { InvalidConfigError } from "../../errors.ts";
import { refuseIfHeld, RunLock } from "./run-lock.ts";

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "engram-lock-"));
  try {
    await body(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const isRefusal = (error: unknown): boolean =>
  error instanceof InvalidConfigError && /is in use by process \d+/.test(error.message);

test("a directory has one training at a time, and is free again after it", () =>
  inFolder(async (folder) => {
    await refuseIfHeld(folder);
    const lock = await RunLock.take(folder);
    await assert.rejects(RunLock.take(folder), isRefusal);
    await assert.rejects(refuseIfHeld(folder), isRefusal);
    await lock.release();
    assert.deepEqual(await readdir(folder), []);
    await (await RunLock.take(folder)).release();
  }));

test("a process that lives keeps others out, and keeps nobody out when it is killed", () =>
  inFolder(async (folder) => {
    const module = new URL("run-lock.ts", import.meta.url).href;
    const program = `const { RunLock } = await import(${JSON.stringify(module)});
      await RunLock.take(${JSON.stringify(folder)});
      console.log("taken");
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    await assert.rejects(RunLock.take(folder), isRefusal);
    child.kill("SIGKILL");
    await once(child, "exit");
    await (await RunLock.take(folder)).release();
  }));

test(
  "a dead process whose parent does not notice keeps nobody out",
  { skip: process.platform !== "linux" },
  () =>
    inFolder(async (folder) => {
      // The shell becomes a program that never waits for the child it began before.
      const parent = spawn("sh", ["-c", "sleep 0.05 & echo $!; exec sleep 30"], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      try {
        const [chunk] = (await once(parent.stdout, "data")) as [Buffer];
        const pid = Number(chunk.toString());
        const state = (): Promise<string> => readFile(`/proc/${pid}/stat`, "utf8");
        while (!(await state()).includes(") Z "))
          await new Promise((resolve) => setTimeout(resolve, 20));
        const text = JSON.stringify({ pid, host: hostname() });
        await writeFile(join(folder, "training.lock"), text);
        await (await RunLock.take(folder)).release();
      } finally {
        parent.kill("SIGKILL");
      }
    }),
);

test("a number that another process has by now, or half a file, keeps nobody out; another machine does", () =>
  inFolder(async (folder) => {
    const path = join(folder, "training.lock");
    const { pid } = spawnSync(process.execPath, ["--version"]);
    const stale = [
      JSON.stringify({ pid, host: hostname() }),
      ...(process.platform === "linux"
        ? [JSON.stringify({ pid: process.pid, host: hostname(), started: "an earlier boot 12" })]
        : []),
      '{"pid":1',
      "",
    ];
    for (const text of stale) {
      await writeFile(path, text);
      const lock = await RunLock.take(folder);
      assert.equal(JSON.parse(await readFile(path, "utf8")).pid, process.pid);
      await lock.release();
    }
    await writeFile(path, JSON.stringify({ pid, host: `not-${hostname()}` }));
    await assert.rejects(RunLock.take(folder), isRefusal);
  }));
