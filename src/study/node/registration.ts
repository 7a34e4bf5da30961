/**
 * Fixes a study before its first step: study.json holds the study's content, every arm's numbers in full, the digests of
 * all files that it reads, and the SHA-256 of that. A study whose file, texts or presets are others than the registered
 * ones is refused. Knows files and digests; trains nothing.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { readJsonInside, writeDurably } from "../../checkpoint/node/index.ts";
import { FormatError, InvalidConfigError } from "../../errors.ts";
import { isRecord } from "../../json-values.ts";
import type { DataFile, RunSurroundings } from "../../training/index.ts";
import { describeFile, readSurroundings } from "../../training/node/index.ts";
import { canonicalJson } from "../canonical.ts";
import type { Arm, Study } from "../study-file.ts";
import { describeTasks } from "./study-tasks.ts";

type Named = Readonly<Record<string, unknown>>;

/** What the digest is of. */
export interface Registered {
  readonly study: Named;
  /** By name: the preset's numbers as they are with the arm's own. A later release's presets may differ. */
  readonly arms: Readonly<Record<string, object>>;
  readonly files: readonly DataFile[];
}

export interface Registration {
  readonly version: 1;
  readonly sha256: string;
  readonly registered: Registered;
  /** Threads of a run's engine; other ones would sum in another order. */
  readonly threads: number;
  readonly surroundings: RunSurroundings;
}

/** Reads every file that the study names, and what its tasks ask. */
export async function describeStudy(study: Study, signal: AbortSignal): Promise<Registered> {
  const names = new Set(study.valid);
  for (const { training } of study.arms)
    for (const name of [...(training?.data ?? []), training?.tokenizer ?? []].flat())
      names.add(name);
  for (const arm of study.arms)
    for (const name of await modelFiles(arm, study.seeds)) names.add(name);
  const files: DataFile[] = [];
  for (const name of names) files.push({ ...(await describeFile(name, { signal })), name });
  files.push(...(await describeTasks(study, signal)));
  return {
    study: study.content,
    arms: Object.fromEntries(
      study.arms.flatMap(({ name, training }) =>
        training === undefined ? [] : [[name, { ...training.preset, memoryIsOn: training.memory }]],
      ),
    ),
    files,
  };
}

async function modelFiles(arm: Arm, seeds: readonly number[]): Promise<string[]> {
  const directories = new Set(seeds.flatMap((seed) => modelDirectory(arm, seed) ?? []));
  const found: string[] = [];
  for (const directory of directories)
    for (const entry of await readdir(directory, { withFileTypes: true }))
      if (entry.isFile()) found.push(`${directory}/${entry.name}`);
  return found;
}

/** undefined for an arm that is trained. */
export function modelDirectory({ model }: Arm, seed: number): string | undefined {
  return model?.replaceAll("{seed}", String(seed));
}

/** undefined if nothing was registered in `out`. */
export async function readRegistration(out: string): Promise<Registration | undefined> {
  const file = fileOf(out);
  if (!existsSync(file)) {
    if (existsSync(out) && (await readdir(out)).length > 0)
      throw new InvalidConfigError(`${out} holds other files, and no study; take an empty --out`);
    return undefined;
  }
  const found = (await readJsonInside(file)) as Partial<Registration> | null;
  if (found?.version !== 1 || !isRegistered(found.registered))
    throw new FormatError(`${file}: expected the registration of a study, of version 1`);
  if (digestOf(found.registered) !== found.sha256)
    throw new FormatError(`${file} was changed after the study was registered: its digest differs`);
  return found as Registration;
}

function isRegistered(value: unknown): value is Registered {
  if (!isRecord(value)) return false;
  const { study, arms, files } = value;
  return isRecord(study) && isRecord(arms) && Array.isArray(files) && files.every(isRecord);
}

/** Throws `InvalidConfigError` if another process registered a study in `out` meanwhile. */
export async function register(
  registered: Registered,
  { out, threads, command }: { out: string; threads: number; command: string },
): Promise<Registration> {
  const registration: Registration = {
    version: 1,
    sha256: digestOf(registered),
    registered,
    threads,
    surroundings: await readSurroundings(command),
  };
  await mkdir(out, { recursive: true });
  if (existsSync(fileOf(out)))
    throw new InvalidConfigError(
      `${out}: another process registered a study there; take another --out`,
    );
  await writeDurably(fileOf(out), (file) =>
    file.writeFile(`${JSON.stringify(registration, undefined, 2)}\n`),
  );
  return registration;
}

/** Throws `InvalidConfigError` that names what is not as it was registered. */
export function checkUnchanged(
  before: Registration,
  now: Registered,
  { out, threads }: { out: string; threads: number },
): void {
  const changes = [
    ...changedNames(before.registered.study, now.study),
    ...changedNames(before.registered.arms, now.arms).map((name) => `what arm ${name} comes to`),
    ...changedNames(byName(before.registered.files), byName(now.files)),
  ];
  if (changes.length > 0)
    throw new InvalidConfigError(
      `${out} holds a study that was registered before its first step, and since then ${changes.join(", ")} changed; ` +
        "restore what was registered, or begin another study in another --out",
    );
  if (before.threads !== threads)
    throw new InvalidConfigError(
      `${out}: the study was begun with ${before.threads} threads a run, and would not sum in the same order with ` +
        `${threads}; use --threads ${before.threads}`,
    );
}

function changedNames(before: Named, now: Named): string[] {
  return Object.keys({ ...before, ...now }).filter(
    (name) => canonicalJson(before[name] ?? null) !== canonicalJson(now[name] ?? null),
  );
}

function byName(files: readonly DataFile[]): Record<string, string> {
  return Object.fromEntries(files.map(({ name, sha256 }) => [name, sha256]));
}

function digestOf(registered: object): string {
  return createHash("sha256").update(canonicalJson(registered)).digest("hex");
}

function fileOf(out: string): string {
  return join(out, "study.json");
}
