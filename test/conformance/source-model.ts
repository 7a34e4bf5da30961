/** The files of a small model with a manifest, as bytes by name: what sources of files are tested with. */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tensorSource } from "../../src/checkpoint/index.ts";
import { writeModelDir } from "../../src/checkpoint/node/index.ts";
import type { SourceFiles } from "./byte-source.ts";

export async function sourceModel(): Promise<SourceFiles> {
  const directory = await mkdtemp(join(tmpdir(), "engram-source-model-"));
  try {
    const w = Float32Array.from({ length: 60_000 }, (_, i) => Math.fround(Math.sin(i)));
    const table = Uint8Array.from({ length: 90_000 }, (_, i) => (i * i) % 256);
    await writeModelDir(directory, {
      config: { model_type: "engram" },
      tokenizer: '{"model": {}}',
      weights: [tensorSource({ name: "w", dtype: "F32", shape: [60_000] }, w)],
      tables: [[tensorSource({ name: "table", dtype: "U8", shape: [9000, 10] }, table)]],
    });
    const files: Record<string, Uint8Array> = {};
    for (const name of await readdir(directory))
      files[name] = Uint8Array.from(await readFile(join(directory, name)));
    return files;
  } finally {
    await rm(directory, { recursive: true });
  }
}
