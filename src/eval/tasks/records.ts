/**
 * Texts of data files -> records: lines of JSON, a JSON array, rows of a table, or one text. The file's name says
 * which. Knows texts; not files or tasks.
 */
import { FormatError } from "../../errors.ts";
import { isRecord } from "../../json-values.ts";
import type { Fields } from "./template.ts";

const MAX_RECORDS = 2_000_000;

/** Throws `FormatError` that names `file` and the place. `columns` are the names for a table without a head line. */
export function recordsOf(
  text: string,
  { file, columns }: { file: string; columns?: readonly string[] | undefined },
): Fields[] {
  const ending = /\.(\w+)$/.exec(file)?.[1]?.toLowerCase() ?? "";
  const read = readers[ending];
  if (read === undefined)
    throw new FormatError(
      `${file}: expected a file that ends in ${Object.keys(readers).join(", ")}, which says how to read it`,
    );
  if (columns !== undefined && ending !== "csv" && ending !== "tsv")
    throw new FormatError(`${file}: columns are for .csv and .tsv; its records name their fields`);
  const records = read(text.replace(/^\uFEFF/, ""), file, columns);
  if (records.length === 0) throw new FormatError(`${file} holds no document`);
  if (records.length > MAX_RECORDS)
    throw new FormatError(
      `${file} holds ${records.length} documents; at most ${MAX_RECORDS} are read`,
    );
  return records;
}

type Reader = (text: string, file: string, columns: readonly string[] | undefined) => Fields[];

const readers: Readonly<Record<string, Reader>> = {
  jsonl: lines,
  ndjson: lines,
  json: (text, file) => array(parse(text, file), file),
  csv: (text, file, columns) => table(text, { file, columns, separator: "," }),
  tsv: (text, file, columns) => table(text, { file, columns, separator: "\t" }),
  txt: (text) => (text === "" ? [] : [{ text }]),
};

function lines(text: string, file: string): Fields[] {
  const records: Fields[] = [];
  for (const [i, line] of text.split("\n").entries())
    if (line.trim() !== "")
      records.push(fieldsOf(parse(line, `${file}:${i + 1}`), `${file}:${i + 1}`));
  return records;
}

function array(value: unknown, file: string): Fields[] {
  if (!Array.isArray(value)) throw new FormatError(`${file}: expected an array of objects`);
  return value.map((one, i) => fieldsOf(one, `${file}: element ${i}`));
}

function parse(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new FormatError(`${where}: expected JSON; ${(cause as Error).message}`, { cause });
  }
}

function fieldsOf(value: unknown, where: string): Fields {
  if (isRecord(value)) return value;
  throw new FormatError(`${where}: expected an object with fields`);
}

/** Rows by RFC 4180. In tab-separated files, quotes have no meaning. */
function table(
  text: string,
  {
    file,
    columns,
    separator,
  }: { file: string; columns: readonly string[] | undefined; separator: "," | "\t" },
): Fields[] {
  const rows =
    separator === ","
      ? quotedRows(text, file)
      : text
          .split(/\r?\n/)
          .filter((line) => line !== "")
          .map((line) => line.split("\t"));
  const names = columns ?? rows.shift() ?? [];
  return rows.map((row, i) => {
    if (row.length !== names.length)
      throw new FormatError(
        `${file}: row ${i + 1} has ${row.length} fields, expected ${names.length} (${names.join(", ")})`,
      );
    return Object.fromEntries(names.map((name, column) => [name, row[column]!]));
  });
}

function quotedRows(text: string, file: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  const cell = /"((?:[^"]|"")*)"(,|\r?\n|$)|([^",\r\n]*)(,|\r?\n|$)/y;
  while (cell.lastIndex < text.length) {
    const from = cell.lastIndex;
    const found = cell.exec(text);
    if (found === null)
      throw new FormatError(
        `${file}: row ${rows.length + 1} has a quote that does not fit: ${JSON.stringify(text.slice(from, from + 60))}`,
      );
    const [, quoted, quotedEnd, plain, plainEnd] = found;
    row.push(quoted?.replaceAll('""', '"') ?? plain!);
    if ((quotedEnd ?? plainEnd) === "," && cell.lastIndex < text.length) continue;
    rows.push(row);
    row = [];
  }
  return rows.filter((cells) => cells.length > 1 || cells[0] !== "");
}
