/**
 * `engram rows`: the specification's tiny configuration, whose rows were computed
 * elsewhere, and what a user can get wrong.
 */
import assert from "node:assert/strict";

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { engram } from "../../../test/engram.ts";

const scratch = mkdtempSync(join(tmpdir(), "engram-rows-"));
after(() => rmSync(scratch, { recursive: true }));

/** Section 13.6 of the specification: bases 11 and 13, 3 heads, layers 1 and 2, 16 ids, pad 2. */
const tiny = {
  engram_layer_ids: [1, 2],
  engram_max_ngram_size: 3,
  engram_n_heads: 3,
  engram_vocab_size: [11, 13],
  engram_pad_token_id: 2,
  engram_compressed_vocab_size: 16,
};
const config = join(scratch, "config.json");
writeFileSync(config, JSON.stringify(tiny));

const rowsOfLayer1 = [
  [7, 20, 37, 47, 75, 95],
  [1, 16, 34, 45, 66, 94],
];

test("compressed ids give the rows of the specification, with no tokenizer", async () => {
  const { status, stdout, stderr } = await engram(
    "rows",
    "--config",
    config,
    "--compressed-ids",
    "1,5",
    "--json",
  );
  assert.equal(stderr, "");
  assert.equal(status, 0);
  assert.deepEqual(JSON.parse(stdout), {
    layers: {
      1: rowsOfLayer1,
      2: [
        [5, 54, 100, 113, 182, 218],
        [12, 58, 100, 118, 171, 247],
      ],
    },
  });
});

test("without --json the same rows are text", async () => {
  const { stdout } = await engram("rows", "--config", config, "--compressed-ids", "1,5");
  assert.match(stdout, /^layer 1\n {2}0: 7 20 37 47 75 95\n {2}1: 1 16 34 45 66 94\nlayer 2\n/);
});

async function layer1(ids: string): Promise<number[][]> {
  const { stdout } = await engram("rows", "--config", config, "--compressed-ids", ids, "--json");
  return JSON.parse(stdout).layers[1];
}

test("a dead position blocks the look-back of those after it", async () => {
  const dead = await layer1("9,-1,1,5");
  assert.deepEqual(dead.slice(2), (await layer1("-1,1,5")).slice(1));
  assert.notDeepEqual((await layer1("9,1,5")).slice(1), dead.slice(2));
});

test("what cannot be answered is code 2, one sentence, and a document under --json", async () => {
  const noKeys = join(scratch, "other.json");
  writeFileSync(noKeys, '{"vocab_size": 3}');
  const broken = join(scratch, "broken.json");
  writeFileSync(broken, "{");
  const foreign = join(scratch, "foreign.json");
  writeFileSync(foreign, JSON.stringify({ ...tiny, engram_hash: [] }));
  for (const [words, code, message] of [
    [["--config", config], "invalid_config", /one of --text, --ids and --compressed-ids/],
    [["--config", config, "--text", "a"], "invalid_config", /no tokenizer\.json beside/],
    [
      ["--config", config, "--compressed-ids", "1,x"],
      "invalid_config",
      /--compressed-ids: expected/,
    ],
    [["--config", config, "--compressed-ids", "16"], undefined, /16/],
    [["--config", noKeys, "--compressed-ids", "1"], "invalid_config", /engram_/],
    [["--config", broken, "--compressed-ids", "1"], "bad_format", /broken.*is not JSON/],
    [["--config", foreign, "--compressed-ids", "1"], "bad_format", /hash constants/],
    [["--config", join(scratch, "none"), "--compressed-ids", "1"], "bad_path", /no such file/],
  ] as const) {
    const { status, stdout, stderr } = await engram("rows", ...words, "--json");
    assert.equal(status, 2, stderr);
    const { error } = JSON.parse(stdout);
    if (code !== undefined) assert.equal(error.code, code);
    assert.match(error.message, message);
    assert.equal(stderr, `engram: ${error.message}\n`);
  }
});
