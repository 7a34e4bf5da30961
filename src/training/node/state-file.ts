/**
 * Reads and writes a checkpoint's state.json, which says what its tensors belong to. Knows no tensors, and does not
 * decide whether a run may resume from it.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { isRowLogState, type RowLogState } from "../../at-rest/index.ts";
import {
  checkPlainName,
  type FileRecord,
  recordFromJson,
  recordToJson,
} from "../../checkpoint/index.ts";
import { writeDurably } from "../../checkpoint/node/index.ts";
import { FormatError } from "../../errors.ts";
import { isRecord, shown } from "../../json-values.ts";

const stateName = "state.json";

/**
 * 2: tables learn by row-wise Adagrad in units of the batch; moments of version 1 mean something else. 3: uses of
 * rows are counted. Version 2 is read, too: trained values are the same, and counts start at zero. 4: weights and
 * tables have a file of their own, which makes the checkpoint a model directory. 2 and 3 are read, too.
 */
const stateVersion = 4;
const oldestVersion = 2;

export interface StateFile {
  readonly version: number;
  readonly step: number;
  /** Everything that must be equal to resume the run. */
  readonly identity: Readonly<Record<string, unknown>>;
  /** The logs of tables out of core. */
  readonly logs?: readonly RowLogState[];
  /** Size and checksums of files of the run outside the checkpoint, at that time, by name. */
  readonly beside: ReadonlyMap<string, FileRecord>;
}

export async function writeState(
  directory: string,
  {
    step,
    identity,
    logs = [],
    beside,
  }: Omit<StateFile, "version" | "identity"> & { identity: object },
): Promise<void> {
  const files = Object.fromEntries(
    [...beside].map(([name, record]) => [name, recordToJson(record)]),
  );
  const state = {
    version: stateVersion,
    step,
    identity,
    ...(beside.size > 0 && { beside: files }),
    ...(logs.length > 0 && { logs }),
  };
  const text = `${JSON.stringify(state, undefined, 1)}\n`;
  await writeDurably(join(directory, stateName), (file) => file.writeFile(text));
}

/** Reads state.json of the checkpoint at `path`. Throws `FormatError` if it is damaged. */
export async function readState(path: string): Promise<StateFile> {
  const file = join(path, stateName);
  let parsed: Record<string, unknown>;
  try {
    parsed = { ...(JSON.parse(await readFile(file, "utf8")) as object | null) };
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT")
      throw new FormatError(`${file}: expected the state of a run, there is no such file`, {
        cause,
      });
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new FormatError(`${file} is not JSON: ${cause.message}`, { cause });
  }
  const { version, step, identity, logs, beside = {} } = parsed;
  const isState =
    Number.isInteger(version) &&
    Number.isInteger(step) &&
    isRecord(identity) &&
    isRecord(beside) &&
    (logs === undefined || (Array.isArray(logs) && logs.every(isRowLogState)));
  if (!isState)
    throw new FormatError(
      `${file}: expected version, step and identity of a run, and logs of its tables; found ` +
        shown(parsed, 200),
    );
  const records = new Map<string, FileRecord>();
  for (const [name, given] of Object.entries(beside)) {
    const record = recordFromJson(given);
    if (record === undefined) throw new FormatError(`${file}: expected size and sums of "${name}"`);
    records.set(checkPlainName(name, file), record);
  }
  return { ...(parsed as unknown as StateFile), beside: records };
}

/** Throws `FormatError` for the state of another release. */
export function checkVersion(path: string, { version }: Pick<StateFile, "version">): void {
  if (version >= oldestVersion && version <= stateVersion) return;
  throw new FormatError(
    `${path}: expected a checkpoint of version ${oldestVersion} to ${stateVersion}, it has ${version}; finish that run ` +
      "with the release that began it, or train into another --out",
  );
}
