/**
 * `npm test`: every test of the tree, or those of the patterns given, and a last line that counts.
 * Adds nothing to Node's runner but that line, and what makes a run of all short: the runner's own summary stands before
 * the list of failures, where nobody who reads the end of a log finds it.
 *
 *     npm test                               all
 *     npm test -- "src/memory/*.test.ts"    some
 */
import { globSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { run } from "node:test";
import { spec } from "node:test/reporters";

const patterns = process.argv.slice(2);
// Files of test/ start processes, browsers and trainings. They begin first, so that none of them is left over at the end.
const all = ["test/**/*.test.ts", "{bench,src,web/src}/**/*.test.ts"];
const files = [...new Set((patterns.length > 0 ? patterns : all).flatMap((one) => globSync(one)))];

// A process for each file, and those that a file starts, compile the same sources: what one of them has compiled, the
// others read (half a second each).
process.env["NODE_COMPILE_CACHE"] ??= join(tmpdir(), "engram-compile-cache");

// What a user's cache would keep is a run's own: packed weights of an earlier state of the sources must not be read.
const cache = mkdtempSync(join(tmpdir(), "engram-test-cache-"));
process.env["XDG_CACHE_HOME"] = cache;

// Files run side by side, a core each; engines with a thread for every core would wait for each other.
process.env["ENGRAM_THREADS"] ??= "1";

/** A test that takes longer hangs. The longest, the end-to-end run, takes about two minutes. */
const timeout = 8 * 60_000;

let line = "no test was found";
let isGreen = false;
// The runner's own choice is a core less than there is, which is half of a small machine.
const concurrency = availableParallelism();
const events = run({ files, concurrency, timeout });
events.on("test:summary", ({ file, success, counts, duration_ms: duration }) => {
  // Each file has a summary of its own; the last one is of all.
  if (file !== undefined) return;
  const { passed, skipped, tests } = counts;
  if (tests === 0) return;
  isGreen = success;
  line =
    `${passed} passed, ${tests - passed - skipped} failed, ${skipped} skipped` +
    ` in ${(duration / 1000).toFixed(0)} s`;
});
const report = events.compose(spec);
report.pipe(process.stdout);
await finished(report, { writable: false });
rmSync(cache, { recursive: true, force: true });
process.exitCode = isGreen ? 0 : 1;
process.stdout.write(`${line}\n`);
