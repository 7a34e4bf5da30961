/**
 * A task file on disk -> its tasks with their documents. Task files are untrusted: they may name only files below the
 * data folder, and files are read with a limit.
 */
import { open, readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { FormatError, InvalidConfigError } from "../../../errors.ts";
import { FOREIGN_HEAD_BYTES, refuseForeign } from "../../../foreign-file.ts";
import { groupedTasks, type TaskSet } from "../group.ts";
import { makeNeedles } from "../needles.ts";
import { askedByCase, askedByPattern, factsOf } from "../recall.ts";
import { recordsOf } from "../records.ts";
import { parseTaskFile } from "../task-file.ts";
import type { Recall, TaskFile } from "../task-type.ts";
import type { Fields } from "../template.ts";

const MAX_TASK_BYTES = 1 << 20;
const MAX_DATA_BYTES = 400 * 2 ** 20;
const MAX_FILES = 1000;
const ADVICE = "; tasks name files below the folder that --data gives, or below their own";

/** `data`: the folder to which the task's paths are relative. Default: the task file's own folder. */
export async function openTasks(
  path: string,
  { data }: { data?: string | undefined } = {},
): Promise<TaskSet> {
  const file = parseTaskFile(await readText(path, MAX_TASK_BYTES), path);
  const folder = data ?? dirname(path);
  const { task: name, columns } = file;
  const readRecords = async (relative: string): Promise<Fields[]> =>
    recordsOf(await readData(folder, relative, name), { file: join(folder, relative), columns });
  const fewShot = async (star: string): Promise<Fields[] | undefined> =>
    file.fewshot_data === undefined
      ? undefined
      : readRecords(file.fewshot_data.replace("*", () => star));
  if (file.data?.includes("*") === true) {
    const pattern = file.data;
    const stars = await matches(folder, pattern, name);
    const tasks = [];
    for (const star of stars) {
      const own = (await readRecords(pattern.replace("*", () => star))).map((fields) => ({
        ...fields,
        subtask: star.replaceAll("_", " "),
      }));
      const fewShotDocuments = await fewShot(star);
      tasks.push({ name: `${name}_${star}`, file, documents: own, fewShotDocuments });
    }
    return { name, file, isGroup: true, tasks };
  }
  const documents = await documentsOf(file, { folder, readRecords });
  return groupedTasks(file, { documents, fewShotDocuments: await fewShot("") });
}

async function documentsOf(
  { data, needles, recall, task: name }: TaskFile,
  source: { folder: string; readRecords: (relative: string) => Promise<Fields[]> },
): Promise<Fields[]> {
  if (data !== undefined) return source.readRecords(data);
  const documents =
    needles === undefined ? await recalled(recall!, { ...source, name }) : makeNeedles(needles);
  if (documents.length === 0) throw new FormatError(`${name}: its data has no document to ask for`);
  return documents;
}

async function recalled(
  { support, source, exposures, prompts }: Recall,
  {
    folder,
    readRecords,
    name,
  }: { folder: string; readRecords: (relative: string) => Promise<Fields[]>; name: string },
): Promise<Fields[]> {
  const file = join(folder, support);
  const rows = recordsOf(await readData(folder, support, name), { file });
  const facts = factsOf(rows, { source, exposures, file });
  if (!prompts.includes("*")) return askedByCase(facts, await readRecords(prompts));
  const known = new Set(await matches(folder, prompts, name));
  const patterns = new Map<string, Fields[]>();
  for (const relation of new Set(facts.map((fact) => fact.relation)))
    if (known.has(relation))
      patterns.set(relation, await readRecords(prompts.replace("*", () => relation)));
  return askedByPattern(facts, patterns);
}

/** The parts of existing file names that `*` matches, in order. */
async function matches(folder: string, pattern: string, task: string): Promise<string[]> {
  checkRelative(pattern, task);
  const directory = dirname(join(folder, pattern));
  if (directory.includes("*"))
    throw new FormatError(`${task}: the * in "${pattern}" may stand in the file's name only`);
  const [begin, end] = basename(pattern).split("*") as [string, string];
  const names = await failing(readdir(directory), `${task}: the folder ${directory}`, ADVICE);
  const stars = names
    .filter(
      (one) => one.startsWith(begin) && one.endsWith(end) && one.length > begin.length + end.length,
    )
    .map((one) => one.slice(begin.length, one.length - end.length))
    .filter((star) => /^[\w.-]{1,100}$/.test(star))
    .toSorted();
  if (stars.length === 0 || stars.length > MAX_FILES)
    throw new InvalidConfigError(
      `${task}: ${stars.length} files are like ${join(folder, pattern)}; expected 1 to ${MAX_FILES}`,
    );
  return stars;
}

function checkRelative(path: string, task: string): void {
  if (/^[/\\]|^[A-Za-z]:|\\|\0/.test(path) || path.split("/").includes(".."))
    throw new FormatError(
      `${task}: "${path}" is not a path below the data folder; give the folder with --data`,
    );
}

async function readData(folder: string, relative: string, task: string): Promise<string> {
  checkRelative(relative, task);
  return readText(join(folder, relative), MAX_DATA_BYTES);
}

async function readText(path: string, most: number): Promise<string> {
  await using handle = await failing(open(path), path, ADVICE);
  const stats = await handle.stat();
  const { size } = stats;
  if (!stats.isFile()) throw new InvalidConfigError(`${path} is not a file`);
  if (size > most) throw new FormatError(`${path} has ${size} bytes; at most ${most} are read`);
  const bytes = await failing(handle.readFile(), path);
  refuseForeign(path, bytes.subarray(0, FOREIGN_HEAD_BYTES), "text");
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new FormatError(`${path} is not UTF-8 text`, { cause });
  }
}

async function failing<Value>(work: Promise<Value>, what: string, advice = ""): Promise<Value> {
  try {
    return await work;
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const reason = code === "ENOENT" || code === "ENOTDIR" ? "it is not there" : message;
    throw new InvalidConfigError(`${what} cannot be read: ${reason}${advice}`, { cause });
  }
}
