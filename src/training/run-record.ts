/**
 * What a run was: everything that is needed to make it again, written as run.json before its first step and kept with
 * the model. Tells nothing of who ran it: files are named as they were given if they lie below the working directory,
 * else by their last part (their SHA-256 says which they are), and the machine by its kind, not by its name. Builds,
 * reads and compares such records; finds out nothing by itself, and knows no files.
 */
import { FormatError } from "../errors.ts";
import { isRecord } from "../json-values.ts";
import type { TrainedPart } from "../model/index.ts";
import type { Overrides } from "./overrides.ts";
import type { Preset } from "./presets.ts";

/** A text that was read. */
export interface DataFile {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface MachineFacts {
  readonly platform: string;
  readonly arch: string;
  readonly processor: string;
  /** Logical ones that the process may use. */
  readonly processors: number;
  readonly memoryBytes: number;
}

/** What may differ between the parts of a run that was resumed. */
export interface RunSurroundings {
  /** When this part began, in ISO 8601. */
  readonly begun: string;
  /** As typed, but for paths (see above). */
  readonly command?: string;
  readonly versions: Readonly<Record<string, string>>;
  /** Of the sources, where they are a checkout; with "+" behind it if they were changed since. */
  readonly commit?: string;
  readonly machine: MachineFacts;
}

export interface RunRecord extends RunSurroundings {
  readonly version: 1;
  /** Its name; absent where a program gave one of its own. */
  readonly preset?: string;
  /** The files of the model that it went on from, in place of a preset. */
  readonly from?: readonly DataFile[];
  /** What of that model was trained. */
  readonly train?: TrainedPart;
  /** By whole names. */
  readonly overrides: Overrides;
  /** The numbers that come of the two: nothing of a later release's presets is needed to read them. */
  readonly vocabSize: number;
  readonly model: Preset["model"];
  /** Absent without learned rows. */
  readonly memory?: Preset["memory"];
  /** Absent where nothing is counted. */
  readonly counted?: Preset["counted"];
  readonly training: Preset["training"];
  readonly seed: number;
  readonly data: readonly DataFile[];
  readonly valid?: readonly DataFile[];
  /** Where `valid` is absent. */
  readonly holdOut?: string;
  readonly tokens: { readonly train: number; readonly valid: number };
  /** SHA-256 of tokenizer.json, and whether the run trained it. */
  readonly tokenizer: { readonly sha256: string; readonly trained: boolean };
  /** Whether tables began with rows that the program gave, which are not told here, and not with zeros. */
  readonly startRows?: true;
  /** Where it was gone on with. */
  readonly resumed?: readonly (RunSurroundings & { readonly step: number })[];
}

/** A path or any other word as others may see it. */
export function publicName(word: string): string {
  const parts = word.split(/[\\/]/);
  const isElsewhere = /^(?:[\\/~]|[a-z]:[\\/])/i.test(word) || parts.includes("..");
  return isElsewhere ? (parts.findLast((part) => part !== "" && part !== "..") ?? word) : word;
}

/** As read from disk: an object of some version, whose parts may be anything. */
export type StoredRun = Readonly<Record<string, unknown>>;

export function formatRunRecord(run: StoredRun): string {
  return `${JSON.stringify(run, undefined, 2)}\n`;
}

/** Throws `FormatError` for what is no run.json. `file` is for its message. */
export function parseRunRecord(text: string, file: string): StoredRun {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FormatError(`${file} is not JSON: ${(cause as Error).message}`, { cause });
  }
  if (!isRecord(value) || typeof value["version"] !== "number")
    throw new FormatError(`${file}: expected an object with a version, the record of a run`);
  if (value["version"] !== 1)
    throw new FormatError(
      `${file} is of version ${value["version"]}, this release reads version 1; use a newer one`,
    );
  return value;
}

/** `run`, gone on with: `now` are its surroundings and the step. */
export function withResumption(run: StoredRun, now: object): StoredRun {
  const before = Array.isArray(run["resumed"]) ? (run["resumed"] as unknown[]) : [];
  return { ...run, resumed: [...before, now] };
}

/** What a stranger's file may say at most: so many settings, of so many characters. */
const MOST_SETTINGS = 200;
const MOST_CHARACTERS = 200;
/** What differs between any two runs and says nothing, or says it twice. */
const NOT_SETTINGS = new Set(["version", "begun", "command", "overrides", "resumed"]);

/** What the run was, flat: "training.lr" -> "0.003", in the order of the record. Of what is no text or number nothing. */
export function settingsOf(run: StoredRun): ReadonlyMap<string, string> {
  const settings = new Map<string, string>();
  const add = (name: string, value: unknown, depth: number): void => {
    if (settings.size >= MOST_SETTINGS) return;
    const text = settingText(value);
    if (text !== undefined) settings.set(name, text.slice(0, MOST_CHARACTERS));
    else if (isRecord(value) && depth < 3)
      for (const [key, inner] of Object.entries(value)) add(`${name}.${key}`, inner, depth + 1);
  };
  for (const [name, value] of Object.entries(run))
    if (!NOT_SETTINGS.has(name)) add(name.slice(0, MOST_CHARACTERS), value, 0);
  return settings;
}

function settingText(value: unknown): string | undefined {
  if (Array.isArray(value)) {
    const texts = value
      .slice(0, MOST_CHARACTERS)
      .map((one) => fileText(one) ?? settingText(one) ?? "?");
    return texts.join(", ");
  }
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
    ? String(value)
    : undefined;
}

function fileText(value: unknown): string | undefined {
  if (!isRecord(value) || typeof value["sha256"] !== "string") return undefined;
  return `${String(value["name"])} (${String(value["bytes"])} bytes, sha256 ${value["sha256"].slice(0, 12)})`;
}
