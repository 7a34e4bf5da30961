/**
 * No number moves unnoticed. The file beside this one is a record of what the code computed, not truth: a change that
 * means to move numbers writes it anew (`node scripts/golden-run.ts reference > test/recorded/golden-run.json`) and says
 * so in its commit; any other change finds that it moved them.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";
import { recordedRun } from "./recorded-run.ts";

type Tree = Readonly<Record<string, unknown>>;

/** The lowest parts that differ, by their path: the first of them is where to look. */
function differences(found: Tree, recorded: Tree, path = ""): string[] {
  const keys = new Set([...Object.keys(found), ...Object.keys(recorded)]);
  return [...keys].flatMap((key) => {
    const [a, b] = [found[key], recorded[key]];
    if (typeof a === "object" && typeof b === "object" && a !== null && b !== null)
      return differences(a as Tree, b as Tree, `${path}/${key}`);
    return Object.is(a, b) ? [] : [`${path}/${key}: ${String(b)} was recorded, ${String(a)} found`];
  });
}

test("losses, tokens and digests of a seeded run are those recorded, to the last bit", async () => {
  const found = JSON.parse(JSON.stringify(await recordedRun())) as Tree;
  const recorded = JSON.parse(
    await readFile(new URL("golden-run.json", import.meta.url), "utf8"),
  ) as Tree;
  assert.deepEqual(differences(found, recorded), []);
  // What must agree within a run, whatever was recorded.
  const { training, models } = found as { training: Tree; models: Tree };
  assert.deepEqual(training["outOfCore"], training["inRam"]);
  assert.deepEqual(models["q8-int8, rows on disk"], models["q8-int8"]);
});
