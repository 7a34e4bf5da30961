/** Texts that a user names: pipes are waited for, standard input is one of them, and neither without end. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import test, { after } from "node:test";
import { setTimeout as passed } from "node:timers/promises";
import type { CommandContext } from "./command.ts";
import { readGiven } from "./given-text.ts";

const directory = await mkdtemp(join(tmpdir(), "engram-given-"));
after(() => rm(directory, { recursive: true }));
const skip = process.platform === "win32" && "there are no named pipes";

interface World {
  readonly stdin?: Readable;
  readonly signal?: AbortSignal;
  readonly onNote?: (text: string) => void;
}

function contextOf({
  stdin = Readable.from([]),
  signal = new AbortController().signal,
  onNote = () => undefined,
}: World): CommandContext {
  return { console: { stdin }, signal, progress: { note: onNote } } as unknown as CommandContext;
}

function pipe(name: string): string {
  const path = join(directory, name);
  execFileSync("mkfifo", [path]);
  return path;
}

test("a pipe is read up to its end, also by who came before its writer", { skip }, async () => {
  const path = pipe("written");
  const reading = readGiven(path, contextOf({}));
  await passed(50);
  await writeFile(path, "who waits, reads\n");
  assert.equal(await reading, "who waits, reads\n");
});

test(
  "while nobody writes a pipe it is said what is waited for, and Ctrl-C ends the wait",
  { skip },
  async () => {
    const path = pipe("silent");
    const stop = new AbortController();
    const notes: string[] = [];
    const onNote = (text: string): void => {
      notes.push(text);
      stop.abort();
    };
    const reading = readGiven(path, contextOf({ signal: stop.signal, onNote }));
    await assert.rejects(reading, { name: "AbortError" });
    assert.deepEqual(notes, [`waiting for the end of ${path}`]);
  },
);

test("a process ends though it waits for a pipe", { skip, timeout: 60_000 }, () => {
  const program = `
    import { readTextFile } from ${JSON.stringify(import.meta.resolve("../checkpoint/node/index.ts"))};
    setTimeout(() => process.exit(7), 100);
    await readTextFile(${JSON.stringify(pipe("for-ever"))});`;
  assert.throws(
    () =>
      execFileSync(process.execPath, ["--input-type=module-typescript", "-e", program], {
        stdio: "ignore",
        timeout: 30_000,
      }),
    (error: { status?: unknown }) => error.status === 7,
  );
});

test("a dash is standard input, of which text alone is read", async () => {
  const stdin = Readable.from([
    Buffer.from("a\u{1f600}").subarray(0, 3),
    Buffer.from("😀").subarray(2),
  ]);
  assert.equal(await readGiven("-", contextOf({ stdin })), "a😀");
  const binary = Readable.from([Buffer.of(0xff, 0xfe, 0x41, 0)]);
  await assert.rejects(
    readGiven("-", contextOf({ stdin: binary })),
    /standard input is UTF-16 text/,
  );
  const stop = new AbortController();
  const silent = new Readable({ read: () => undefined });
  const reading = readGiven("-", contextOf({ stdin: silent, signal: stop.signal }));
  stop.abort();
  await assert.rejects(reading, { name: "AbortError" });
});

test("what never ends is read up to a limit", async () => {
  const piece = Buffer.alloc(2 ** 24, "a");
  const endless = Readable.from(
    (function* () {
      for (;;) yield piece;
    })(),
  );
  await assert.rejects(
    readGiven("-", contextOf({ stdin: endless })),
    /standard input is longer than 268435456 bytes/,
  );
});
