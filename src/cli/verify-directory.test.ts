import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { writeManifest } from "../checkpoint/node/index.ts";
import { engram } from "../../test/engram.ts";
import { type FileCheck, verifyDirectory } from "./verify-directory.ts";

const golden = fileURLToPath(new URL("../../test/golden/", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "engram-verify-gguf-"));
after(() => rmSync(scratch, { recursive: true }));

async function verify(path: string): Promise<FileCheck[]> {
  const checks: FileCheck[] = [];
  for await (const check of verifyDirectory(path)) checks.push(check);
  return checks;
}

const damaged = (checks: readonly FileCheck[]): string[] =>
  checks.flatMap(({ file, damage }) => (damage.length > 0 ? [`${file}: ${damage.join()}`] : []));

/** A copy of a model in three GGUF files, or in one. */
function copied(folder: string): { folder: string; names: string[]; bytes: Buffer[] } {
  const copy = mkdtempSync(join(scratch, "model-"));
  const names = readdirSync(join(golden, folder)).toSorted();
  for (const name of names) cpSync(join(golden, folder, name), join(copy, name));
  return { folder: copy, names, bytes: names.map((name) => readFileSync(join(copy, name))) };
}

const flipped = (bytes: Uint8Array, at: number): Uint8Array => {
  const other = Uint8Array.from(bytes);
  other[at]! ^= 4;
  return other;
};

function writeSums(folder: string, names: readonly string[]): void {
  const sum = (name: string): string =>
    createHash("sha256")
      .update(readFileSync(join(folder, name)))
      .digest("hex");
  writeFileSync(
    join(folder, "SHA256SUMS"),
    names.map((name) => `${sum(name)}  ${name}\n`).join(""),
  );
}

test("whichever part of a GGUF model is named, all are read, and a flipped byte of any is found by its sum", async () => {
  const { folder, names, bytes } = copied("gguf-parts");
  assert.equal(names.length, 3);
  writeSums(folder, names);
  for (const named of names) {
    const checks = await verify(join(folder, named));
    assert.deepEqual(
      checks.map(({ file, by, damage }) => [file, by, ...damage]),
      names.map((name) => [name, "SHA256SUMS"]),
    );
  }
  for (const [i, name] of names.entries())
    for (const at of [4, bytes[i]!.length >> 1, bytes[i]!.length - 1]) {
      writeFileSync(join(folder, name), flipped(bytes[i]!, at));
      for (const path of [join(folder, names[0]!), folder])
        assert.match(
          damaged(await verify(path)).join(),
          new RegExp(`${name}: expected the digest`),
        );
      writeFileSync(join(folder, name), bytes[i]!);
    }
});

test("without sums, what the headers say is checked, and that numbers are not is said", async () => {
  const { folder, names, bytes } = copied("gguf-parts");
  const [first, second, third] = names as [string, string, string];
  const path = join(folder, first);
  assert.deepEqual(
    (await verify(path)).map(({ by, damage }) => [by, damage]),
    names.map(() => [undefined, []]),
  );
  writeFileSync(join(folder, second), flipped(bytes[1]!, 8));
  assert.match(damaged(await verify(path)).join(), new RegExp(`${second}`));
  writeFileSync(join(folder, second), bytes[1]!.subarray(0, -40));
  assert.match(damaged(await verify(path)).join(), /cut short/);
  writeFileSync(join(folder, second), bytes[1]!);
  rmSync(join(folder, third));
  assert.match(damaged(await verify(path)).join(), new RegExp(`${third}.*(missing|found none)`));
  writeFileSync(join(folder, third), bytes[2]!);
  const { status, stdout } = await engram("verify", path);
  assert.equal(status, 0);
  assert.match(
    stdout,
    /00002-of-00003\.gguf {2}[\d,]+ bytes, no checksum: only its header was checked/,
  );
  assert.match(stdout, /0 files are what was saved; 3 have no checksum, so a changed number/);
  const sealed = await engram("verify", path, "--seal");
  assert.equal(sealed.status, 2);
  assert.match(sealed.stderr, /is a file, and --seal makes .* sha256sum FILE > SHA256SUMS/);
});

test("a file alone is compared with the manifest beside it", async () => {
  const { folder, names, bytes } = copied("gguf-parts");
  await writeManifest(folder, names);
  const path = join(folder, names[0]!);
  assert.deepEqual(
    (await verify(path)).map(({ by }) => by),
    names.map(() => "manifest.json"),
  );
  writeFileSync(join(folder, names[2]!), flipped(bytes[2]!, bytes[2]!.length - 1));
  assert.equal(damaged(await verify(path)).length, 1);
});
