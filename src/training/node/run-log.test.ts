import assert from "node:assert/strict";
import { appendFile, mkdtemp, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, beforeEach } from "node:test";
import * as fc from "fast-check";
import { FormatError, InvalidConfigError } from "../../errors.ts";
import { MetricsLog } from "./metrics-log.ts";
import { readRunLog, type RunLogPart } from "./run-log.ts";

const directory = await mkdtemp(join(tmpdir(), "engram-run-log-"));
after(() => rm(directory, { recursive: true, force: true }));
const file = join(directory, "metrics.jsonl");
beforeEach(() => rm(file, { force: true }));

function appendMetrics(to: string, line: object): Promise<void> {
  return appendFile(to, `${JSON.stringify(line)}\n`);
}

async function truncateMetrics(log: string, step: number): Promise<void> {
  await MetricsLog.goOn(log, { step, record: undefined, onDamage: assert.fail });
}

const stepsOf = ({ lines }: RunLogPart): number[] => lines.map(({ step }) => step);

test("a log that is not there yet has no lines, and is read once it is", async () => {
  const nothing = await readRunLog(file);
  assert.deepEqual(nothing, { lines: [], cursor: "", isRestart: false, isEnd: true });
  await appendMetrics(file, { step: 1, loss: 2 });
  const part = await readRunLog(file, { cursor: nothing.cursor });
  assert.deepEqual(part.lines, [{ step: 1, loss: 2 }]);
});

test("however a log grows, byte by byte, its reader sees each line once, whole and in order", async () => {
  const lines = Array.from({ length: 12 }, (_, i) => ({
    step: i,
    sample: "süß \u{1f980} ".repeat(i),
  }));
  const bytes = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat({ max: bytes.length }), { maxLength: 12 }),
      fc.integer({ min: 300, max: 2000 }),
      async (cuts, maxBytes) => {
        await writeFile(file, "");
        let cursor = "";
        const seen: unknown[] = [];
        let at = 0;
        for (const cut of [...cuts.toSorted((a, b) => a - b), bytes.length]) {
          await appendFile(file, bytes.subarray(at, cut));
          at = cut;
          for (let isEnd = false; !isEnd;) {
            const part = await readRunLog(file, { cursor, maxBytes });
            assert.equal(part.isRestart, false);
            seen.push(...part.lines);
            ({ cursor, isEnd } = part);
          }
        }
        assert.deepEqual(seen, lines);
      },
    ),
    { numRuns: 40 },
  );
});

test("a log that a resumed run cut back is read anew, even when it has grown beyond the old end", async () => {
  for (let step = 1; step <= 20; step++) await appendMetrics(file, { step, seconds: step / 7 });
  const before = await readRunLog(file);
  await truncateMetrics(file, 12);
  for (let step = 13; step <= 40; step++) await appendMetrics(file, { step, seconds: step / 9 });
  const part = await readRunLog(file, { cursor: before.cursor });
  assert.equal(part.isRestart, true);
  assert.deepEqual(
    stepsOf(part),
    Array.from({ length: 40 }, (_, i) => i + 1),
  );
  await truncateMetrics(file, 5);
  const shorter = await readRunLog(file, { cursor: part.cursor });
  assert.deepEqual([shorter.isRestart, shorter.lines.length], [true, 5]);
});

test("a log that was replaced or removed begins anew", async () => {
  await appendMetrics(file, { step: 1, loss: 9 });
  const { cursor } = await readRunLog(file);
  await writeFile(`${file}.other`, '{"step":1,"loss":8}\n{"step":2,"loss":7}\n');
  await rename(`${file}.other`, file);
  const replaced = await readRunLog(file, { cursor });
  assert.deepEqual([replaced.isRestart, stepsOf(replaced)], [true, [1, 2]]);
  await rm(file);
  const removed = await readRunLog(file, { cursor: replaced.cursor });
  assert.deepEqual([removed.isRestart, removed.lines, removed.cursor], [true, [], ""]);
});

test("lines that are none of ours are passed over, and cut tails are dropped on resuming", async () => {
  await writeFile(file, '{"step":1}\nnull\n[3]\n{"step":"x"}\nnot json\n{"step":2}\n{"step":3,"lo');
  const part = await readRunLog(file);
  assert.deepEqual(stepsOf(part), [1, 2]);
  await truncateMetrics(file, 9);
  await appendMetrics(file, { step: 3 });
  const next = await readRunLog(file, { cursor: part.cursor });
  assert.deepEqual([next.isRestart, stepsOf(next)], [true, [1, 2, 3]]);
});

test("what is no cursor is refused, and so is a line without an end", async () => {
  for (const cursor of ["x", "-1.0", "0.0", "5", "5.zz", "1e3.0", "9999999999999999.0"])
    await assert.rejects(readRunLog(file, { cursor }), InvalidConfigError, cursor);
  await writeFile(file, "x".repeat(500));
  await assert.rejects(readRunLog(file, { maxBytes: 400 }), FormatError);
  await truncate(file, 100);
  assert.deepEqual((await readRunLog(file, { maxBytes: 400 })).lines, []);
});

test("a log that a checkpoint vouches for is cut back to it, and one that was damaged since is told of and kept", async () => {
  const begun = await MetricsLog.begin(file, { steps: 9 });
  for (let step = 1; step <= 3; step++) await begun.append({ step, loss: 1 / step });
  const { record } = begun;
  const saved = await readFile(file, "utf8");
  await begun.append({ step: 4, loss: 0.25 });
  await appendFile(file, '{"step":5,"lo');
  const goOn = async (): Promise<string[]> => {
    const told: string[] = [];
    const onDamage = (text: string): unknown => told.push(text);
    const log = await MetricsLog.goOn(file, { step: 3, record, onDamage });
    await log.append({ step: 4, loss: 0.5 });
    return told;
  };
  assert.deepEqual(await goOn(), []);
  assert.equal(await readFile(file, "utf8"), `${saved}{"step":4,"loss":0.5}\n`);
  await writeFile(file, saved.replace('"loss":1}', '"loss":7}'));
  const [told] = await goOn();
  assert.match(
    told!,
    /metrics\.jsonl: expected CRC-32C .* found .*; this record of the run is damaged/,
  );
  assert.deepEqual(stepsOf(await readRunLog(file)), [0, 1, 2, 3, 4]);
  await rm(file);
  assert.match((await goOn())[0]!, /expected \d+ bytes, there is none/);
});
