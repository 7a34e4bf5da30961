/**
 * Makes a run's record (`run-record.ts`) with facts from the system: checksums of files, the machine, versions, the
 * commit. Writes nothing.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, readFileSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { createRequire } from "node:module";
import { availableParallelism, cpus, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { TrainedPart } from "../../model/index.ts";
import type { Overrides } from "../overrides.ts";
import type { CountedSizes, MemorySizes, Preset } from "../presets.ts";
import { type DataFile, publicName, type RunRecord, type RunSurroundings } from "../run-record.ts";
import { HOLD_OUT_RULE } from "./read-documents.ts";

/** The settings of a run. */
export interface RunSettings {
  readonly command: string | undefined;
  readonly presetName: string | undefined;
  readonly origin?: { readonly from: readonly DataFile[]; readonly train: TrainedPart } | undefined;
  /** With the overrides applied. */
  readonly preset: Omit<Preset, "memory" | "counted"> & {
    readonly memory: MemorySizes | undefined;
    readonly counted: CountedSizes | undefined;
  };
  readonly overrides: Overrides;
  readonly seed: number;
  readonly data: readonly string[];
  readonly valid: readonly string[] | undefined;
  readonly startRows: boolean;
  readonly tokens: RunRecord["tokens"];
  readonly tokenizer: { readonly text: string; readonly trained: boolean };
  readonly signal: AbortSignal | undefined;
}

/** The record of a run that starts or resumes now. Reads the texts once more, for their checksums. */
export async function describeRun(settings: RunSettings): Promise<RunRecord> {
  const { command, presetName, preset, overrides, seed, data, valid, tokens, signal } = settings;
  const described = (files: readonly string[]): Promise<DataFile[]> =>
    Promise.all(files.map((file) => describeFile(file, { signal })));
  const { text, trained } = settings.tokenizer;
  return {
    version: 1,
    ...(await readSurroundings(command)),
    ...(presetName !== undefined && { preset: presetName }),
    ...settings.origin,
    overrides,
    seed,
    data: await described(data),
    ...(valid === undefined ? { holdOut: HOLD_OUT_RULE } : { valid: await described(valid) }),
    tokens,
    tokenizer: { sha256: createHash("sha256").update(text).digest("hex"), trained },
    vocabSize: preset.vocabSize,
    model: preset.model,
    ...(preset.memory !== undefined && { memory: preset.memory }),
    ...(preset.counted !== undefined && { counted: preset.counted }),
    ...(settings.startRows && { startRows: true as const }),
    training: preset.training,
  };
}

/** Size and SHA-256 of a file's bytes as stored, compressed or not. */
export async function describeFile(
  file: string,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<DataFile> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20, signal })) {
    hash.update(chunk as Uint8Array);
    bytes += (chunk as Uint8Array).length;
  }
  return { name: publicName(file), bytes, sha256: hash.digest("hex") };
}

// Three levels up from the source and from the built file alike.
const root = new URL("../../../", import.meta.url);

/** The machine, the versions and the commit, now. */
export async function readSurroundings(command: string | undefined): Promise<RunSurroundings> {
  const commit = await sourceCommit();
  return {
    begun: new Date().toISOString(),
    ...(command !== undefined && { command }),
    versions: {
      engram: versionIn(new URL("package.json", root)),
      node: process.versions.node,
      "onnxruntime-node": versionIn("onnxruntime-node/package.json"),
    },
    ...(commit !== undefined && { commit }),
    machine: {
      platform: process.platform,
      arch: process.arch,
      processor: cpus()[0]?.model.trim() ?? "unknown",
      processors: availableParallelism(),
      memoryBytes: totalmem(),
    },
  };
}

const require = createRequire(import.meta.url);

function versionIn(packageJson: URL | string): string {
  try {
    const file = typeof packageJson === "string" ? require.resolve(packageJson) : packageJson;
    return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
  } catch {
    return "unknown";
  }
}

const run = promisify(execFile);

/** Undefined if the sources are not a checkout: an installed package is inside the checkout of another project. */
async function sourceCommit(): Promise<string | undefined> {
  const directory = fileURLToPath(root);
  try {
    const git = async (...words: string[]): Promise<string> =>
      (await run("git", ["-C", directory, ...words], { timeout: 5000 })).stdout.trim();
    const top = await git("rev-parse", "--show-toplevel");
    if ((await realpath(top)) !== (await realpath(directory))) return undefined;
    const changed = await git("status", "--porcelain", "--untracked-files=no");
    return `${await git("rev-parse", "HEAD")}${changed === "" ? "" : "+"}`;
  } catch {
    return undefined;
  }
}
