/**
 * The tasks that a task file defines: one, one for each of its data files, or one for each group of its documents.
 * Knows documents and names; not models.
 */
import { FormatError } from "../../errors.ts";
import type { TaskFile } from "./task-type.ts";
import type { Fields } from "./template.ts";

export interface Task {
  readonly name: string;
  readonly file: TaskFile;
  readonly documents: readonly Fields[];
  readonly fewShotDocuments: readonly Fields[] | undefined;
}

/** A task file with its documents: one task, or a group of them. */
export interface TaskSet {
  readonly name: string;
  readonly file: TaskFile;
  /** Whether the tasks form a group, whose figure is their mean. */
  readonly isGroup: boolean;
  readonly tasks: readonly Task[];
}

const MAX_GROUPS = 1000;

/** One task, or one for each value or range of the field that `group_by` names. */
export function groupedTasks(
  file: TaskFile,
  { documents, fewShotDocuments }: Pick<Task, "documents" | "fewShotDocuments">,
): TaskSet {
  const { task: name, group_by: by } = file;
  if (by === undefined)
    return { name, file, isGroup: false, tasks: [{ name, file, documents, fewShotDocuments }] };
  const groups = new Map<string, Fields[]>();
  if (by.ranges !== undefined) for (const label of labelsOf(by.ranges)) groups.set(label, []);
  for (const [i, fields] of documents.entries()) {
    const label = labelOf(fields[by.field], by.ranges);
    if (label === undefined)
      throw new FormatError(
        `${name}, document ${i}: group_by: ${JSON.stringify(fields[by.field])} under "${by.field}" belongs to no group`,
      );
    const group = groups.get(label);
    if (group === undefined) groups.set(label, [fields]);
    else group.push(fields);
    if (groups.size > MAX_GROUPS)
      throw new FormatError(`${name}: group_by makes more than ${MAX_GROUPS} groups`);
  }
  const tasks = [...groups]
    .filter(([, members]) => members.length > 0)
    .map(([label, members]) => ({
      name: `${name}_${label}`,
      file,
      documents: members,
      fewShotDocuments,
    }));
  return { name, file, isGroup: true, tasks };
}

/** "0", "1", "2-3", "4-9", "10+" for 0, 1, 2, 4, 10. */
function labelsOf(ranges: readonly number[]): string[] {
  return ranges.map((from, i) => {
    const next = ranges[i + 1];
    if (next === undefined) return `${from}+`;
    return next === from + 1 ? String(from) : `${from}-${next - 1}`;
  });
}

function labelOf(value: unknown, ranges: readonly number[] | undefined): string | undefined {
  if (ranges === undefined)
    return (typeof value === "string" || typeof value === "number") &&
      /^[\w.+-]{1,100}$/.test(String(value))
      ? String(value)
      : undefined;
  const at = typeof value === "number" ? ranges.findLastIndex((from) => from <= value) : -1;
  return labelsOf(ranges)[at];
}
