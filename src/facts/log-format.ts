/**
 * The format of the facts' log: a file to which commits are appended, and which is written anew where something is
 * forgotten. Builds and checks bytes; opens no file. Whoever reads it trusts nothing: every length is bounded by what is
 * there.
 *
 * Everything is little endian. Version 1:
 *
 *     offset  bytes  content
 *     0       8      89 45 4e 47 46 43 54 0a  ("\x89ENGFCT\n": a text-mode copy would break it)
 *     8       4      version, 1
 *     12      32     SHA-256 of the vocabulary whose ids it has
 *     44      4      CRC-32C of bytes 0..43
 *     48      ...    commits
 *
 *     commit: bytes of its records (4); CRC-32C of these 4; CRC-32C of the records (4); the records
 *     record: its bytes, without these 4 (4); kind (1); number of its change, which rises (8, a double); body
 *     body of kind 1, a fact: bytes of its JSON (4); JSON; wordings, each: `from`, count, ids, as LEB128 numbers
 *     body of kind 2, a snapshot: its name
 *     body of kind 3, a fact with vectors: bytes of a body of kind 1 (4); that body; bytes of JSON (4); JSON
 *       {"factIds": […], "mark", "vectors": [{"layerId", "keys", "width"}]}; the vectors' numbers, bfloat16
 *     body of kind 4, a text that was learned: bytes of its scope's name (4); the name; ids as LEB128 numbers
 *
 * A commit counts if it is whole. One that its writer did not live to finish ends the file: it runs past the end, or
 * ends in zeros. Anything else that does not match its sum is damage.
 */
import { joinedBytes } from "../bytes/index.ts";
import { FormatError, RequestError } from "../errors.ts";
import { isCount } from "../json-values.ts";
import { crc32c, decodeBf16Array, encodeBf16Array } from "../numerics/index.ts";
import { MAX_KEY, type SubjectEdit, type SuccessorEdit, type VectorEdit } from "./edit.ts";
import { checkFact, type Fact } from "./fact.ts";
import { isFactName } from "./fact-name.ts";

export const FINGERPRINT_BYTES = 32;
export const HEADER_BYTES = 48;
const MAGIC = Uint8Array.of(0x89, 0x45, 0x4e, 0x47, 0x46, 0x43, 0x54, 0x0a);
const VERSION = 1;
const COMMIT_HEAD = 12;
const RECORD_HEAD = 13;
/** Ids of a text that is learned; of a longer one the last are kept. */
export const MOST_OF_TEXT: number = 2 ** 17;
/** Bytes of an id at most. */
const ID_BYTES = 5;
/** A commit is held in memory whole. */
export const MAX_COMMIT_BYTES: number = 2 ** 26;

/** Pages that were promised to a file and never written read as zeros. No commit of ours ends in so many. */
const TORN_ZEROS = 64;

export interface FactRecord {
  readonly kind: "fact";
  readonly number: number;
  readonly fact: Fact;
  readonly edits: readonly SuccessorEdit[];
  readonly subject?: SubjectEdit | undefined;
  /** Its bytes, once they are known. */
  encoded?: Uint8Array | undefined;
}

export interface SnapshotRecord {
  readonly kind: "snapshot";
  readonly number: number;
  readonly name: string;
  encoded?: Uint8Array | undefined;
}

/** A text that was learned. */
export interface TextRecord {
  readonly kind: "text";
  readonly number: number;
  readonly scope: string;
  readonly ids: Uint32Array;
  encoded?: Uint8Array | undefined;
}

export type LogRecord = FactRecord | SnapshotRecord | TextRecord;

const KINDS = { fact: 1, snapshot: 2, text: 4 } as const;
/** A fact that has vectors. */
const WITH_VECTORS = 3;

export function encodeHeader(fingerprint: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  view.setUint32(8, VERSION, true);
  bytes.set(fingerprint, 12);
  view.setUint32(HEADER_BYTES - 4, crc32c(bytes.subarray(0, HEADER_BYTES - 4)), true);
  return bytes;
}

export function encodeRecord(record: LogRecord): Uint8Array {
  const body = bodyOf(record);
  const bytes = new Uint8Array(RECORD_HEAD + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length - 4, true);
  const hasVectors = record.kind === "fact" && record.subject !== undefined;
  bytes[4] = hasVectors ? WITH_VECTORS : KINDS[record.kind];
  view.setFloat64(5, record.number, true);
  bytes.set(body, RECORD_HEAD);
  return bytes;
}

/** The number of its change. */
export function numberOf(record: Uint8Array): number {
  return new DataView(record.buffer, record.byteOffset).getFloat64(5, true);
}

/**
 * Records as commits of `most` bytes, or of one record; those that fit into one are there together or not at all. One
 * commit is made at a time.
 */
export function* commitsOf(
  records: readonly Uint8Array[],
  most: number = MAX_COMMIT_BYTES,
): Generator<Uint8Array> {
  for (let from = 0; from < records.length;) {
    let to = from + 1;
    let length = records[from]!.length;
    while (to < records.length && length + records[to]!.length <= most)
      length += records[to++]!.length;
    const commit = joinedBytes([new Uint8Array(COMMIT_HEAD), ...records.slice(from, to)]);
    const view = new DataView(commit.buffer);
    view.setUint32(0, length, true);
    view.setUint32(4, crc32c(commit.subarray(0, 4)), true);
    view.setUint32(8, crc32c(commit.subarray(COMMIT_HEAD)), true);
    yield commit;
    from = to;
  }
}

export function encodeCommits(records: readonly Uint8Array[]): Uint8Array {
  return joinedBytes([...commitsOf(records)]);
}

/** Whose ids a log is written in. */
export interface LogVocabulary {
  readonly fingerprint: Uint8Array;
  /** All ids are below it. */
  readonly numIds: number;
}

export interface ParsedLog {
  readonly records: readonly LogRecord[];
  /** Where the last whole commit ends: behind it is what a writer did not live to finish. */
  readonly end: number;
  /** Of the vocabulary. */
  readonly fingerprint: Uint8Array;
}

export interface ParseOptions {
  /** The beginning of messages. */
  readonly where: string;
  readonly vocabulary?: LogVocabulary | undefined;
  /** The number of the change before these. */
  readonly after?: number;
}

/** Bytes that are asked for, in rising order but for the last of all. */
export interface WantedBytes {
  readonly from: number;
  readonly to: number;
}

/** Throws `FormatError`, which begins with `where`, for what no writer of ours has left. */
export function parseLog(bytes: Uint8Array, options: ParseOptions): ParsedLog {
  const steps = parseInPieces(bytes.length, options);
  let step = steps.next();
  while (step.done !== true) step = steps.next(bytes.subarray(step.value.from, step.value.to));
  return step.value;
}

/**
 * The same of a log of `size` bytes, for whoever has not all of them at once: gives what it wants next, a commit at most, and is
 * given it, or as much of it as there still is. Keeps none of what it is given.
 */
export function* parseInPieces(
  size: number,
  { where, vocabulary, after = 0 }: ParseOptions,
): Generator<WantedBytes, ParsedLog, Uint8Array> {
  const fail = (what: string): FormatError => new FormatError(`${where}: ${what}`);
  const header = size < HEADER_BYTES ? new Uint8Array(0) : yield { from: 0, to: HEADER_BYTES };
  const found = checkHeader(header, fail);
  const { numIds = Infinity } = vocabulary ?? {};
  const isOther = vocabulary?.fingerprint.some((byte, i) => byte !== found[i]) === true;
  const records: LogRecord[] = [];
  let at = HEADER_BYTES;
  while (at + COMMIT_HEAD <= size) {
    const head = Uint8Array.from(yield { from: at, to: at + COMMIT_HEAD });
    if (head.length < COMMIT_HEAD) break;
    const view = new DataView(head.buffer);
    const length = view.getUint32(0, true);
    const begin = at + COMMIT_HEAD;
    // The length has a sum of its own: a damaged one would pass for a commit that was cut off.
    const isLength = view.getUint32(4, true) === crc32c(head.subarray(0, 4));
    if (isLength && length > MAX_COMMIT_BYTES)
      throw fail(
        `the commit at byte ${at} has ${length} bytes; one has at most ${MAX_COMMIT_BYTES}`,
      );
    if (isLength && begin + length > size) break;
    const body = isLength ? yield { from: begin, to: begin + length } : undefined;
    if (body !== undefined && body.length < length) break;
    if (body === undefined || view.getUint32(8, true) !== crc32c(body)) {
      const end = yield { from: Math.max(at, size - TORN_ZEROS), to: size };
      if (end.length === TORN_ZEROS && end.every((byte) => byte === 0)) break;
      throw fail(`the commit at byte ${at} does not match its checksums; the file is damaged`);
    }
    for (const record of recordsIn(body, fail)) {
      if (isOther)
        throw fail(
          "its facts are written in the ids of another vocabulary than this model's; teach them again from an export",
        );
      const last = records.at(-1)?.number ?? after;
      if (record.number <= last) throw fail(`change ${record.number} does not follow ${last}`);
      const wrong = idFrom(numIds, record);
      if (wrong !== undefined)
        throw fail(`change ${record.number} has the id ${wrong} of a vocabulary of ${numIds}`);
      records.push(record);
    }
    at = begin + length;
  }
  return { records, end: at, fingerprint: found };
}

/** The fingerprint in it. */
function checkHeader(header: Uint8Array, fail: (what: string) => FormatError): Uint8Array {
  if (header.length < HEADER_BYTES || MAGIC.some((byte, i) => header[i] !== byte))
    throw fail("expected a log of facts, its first bytes are not those of one");
  const view = new DataView(header.buffer, header.byteOffset, HEADER_BYTES);
  if (view.getUint32(HEADER_BYTES - 4, true) !== crc32c(header.subarray(0, HEADER_BYTES - 4)))
    throw fail("its header does not match its checksum; the file is damaged");
  const version = view.getUint32(8, true);
  if (version !== VERSION) throw fail(`expected version ${VERSION}, got ${version}`);
  return Uint8Array.from(header.subarray(12, 12 + FINGERPRINT_BYTES));
}

/** An id of a record that is `least` or more. */
function idFrom(least: number, record: LogRecord): number | undefined {
  if (record.kind === "snapshot") return undefined;
  const lists =
    record.kind === "text"
      ? [record.ids]
      : [
          ...record.edits.map(({ ids }) => ids),
          ...(record.subject?.vectors ?? []).flatMap(({ keys }) => keys),
        ];
  for (const ids of lists) for (const id of ids) if (id >= least) return id;
  return undefined;
}

function* recordsIn(body: Uint8Array, fail: (what: string) => FormatError): Generator<LogRecord> {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  for (let at = 0; at < body.length;) {
    const length = body.length - at >= RECORD_HEAD ? view.getUint32(at, true) : Infinity;
    const end = at + 4 + length;
    if (length < RECORD_HEAD - 4 || end > body.length)
      throw fail("a record is longer than its commit");
    const [kind, number] = [body[at + 4]!, view.getFloat64(at + 5, true)];
    if (!Number.isSafeInteger(number)) throw fail(`a change has no number, but ${number}`);
    const content = body.subarray(at + RECORD_HEAD, end);
    if (kind === KINDS.fact) yield { kind: "fact", number, ...parseFact(content, fail) };
    else if (kind === WITH_VECTORS)
      yield { kind: "fact", number, ...parseFactWithVectors(content, fail) };
    else if (kind === KINDS.snapshot)
      yield { kind: "snapshot", number, name: snapshotName(content, fail) };
    else if (kind === KINDS.text) yield { kind: "text", number, ...parseText(content, fail) };
    else throw fail(`expected a record of kind 1 to 4, got ${kind}; a newer version may read it`);
    at = end;
  }
}

function snapshotName(content: Uint8Array, fail: (what: string) => FormatError): string {
  const name = new TextDecoder().decode(content);
  if (!isFactName(name)) throw fail("a snapshot has no name");
  return name;
}

function parseText(
  content: Uint8Array,
  fail: (what: string) => FormatError,
): Pick<TextRecord, "scope" | "ids"> {
  const [name, numbers] = cut(content, fail);
  const scope = new TextDecoder().decode(name);
  if (!isFactName(scope)) throw fail("a text that was learned has no scope");
  if (numbers.length > ID_BYTES * MOST_OF_TEXT)
    throw fail(`a text that was learned has more than ${MOST_OF_TEXT} ids`);
  const ids = numbersIn(numbers, fail);
  if (ids.some((id) => id >= 2 ** 31)) throw fail("a text that was learned has an id that is none");
  return { scope, ids: Uint32Array.from(ids) };
}

function bodyOf(record: LogRecord): Uint8Array {
  if (record.kind === "text") {
    const numbers: number[] = [];
    for (const id of record.ids) pushNumber(numbers, id);
    return joinedBytes([counted(new TextEncoder().encode(record.scope)), Uint8Array.from(numbers)]);
  }
  if (record.kind === "snapshot") return new TextEncoder().encode(record.name);
  const fact = factBody(record);
  return record.subject === undefined
    ? fact
    : joinedBytes([counted(fact), subjectBody(record.subject)]);
}

/** Bytes behind their number. */
function counted(bytes: Uint8Array): Uint8Array {
  const head = new Uint8Array(4);
  new DataView(head.buffer).setUint32(0, bytes.length, true);
  return joinedBytes([head, bytes]);
}

/** What `counted` has put there, and what is behind it. */
function cut(content: Uint8Array, fail: (what: string) => FormatError): [Uint8Array, Uint8Array] {
  const view = new DataView(content.buffer, content.byteOffset, content.length);
  const end = content.length < 4 ? Infinity : 4 + view.getUint32(0, true);
  if (end > content.length) throw fail("a part of a fact is longer than its record");
  return [content.subarray(4, end), content.subarray(end)];
}

function subjectBody({ factIds, mark, vectors }: SubjectEdit): Uint8Array {
  const heads = vectors.map(({ layerId, keys, vector }) => ({
    layerId,
    keys,
    width: vector.length,
  }));
  const json = new TextEncoder().encode(JSON.stringify({ factIds, mark, vectors: heads }));
  const numbers = vectors.map(({ vector }) => {
    const codes = new Uint16Array(vector.length);
    encodeBf16Array(vector, codes);
    return new Uint8Array(codes.buffer);
  });
  return joinedBytes([counted(json), ...numbers]);
}

function parseFactWithVectors(
  content: Uint8Array,
  fail: (what: string) => FormatError,
): Pick<FactRecord, "fact" | "edits" | "subject"> {
  const [ofFact, ofSubject] = cut(content, fail);
  return { ...parseFact(ofFact, fail), subject: parseSubject(ofSubject, fail) };
}

const isUpTo = (value: unknown, most: number): value is number => isCount(value) && value <= most;

function parseSubject(bytes: Uint8Array, fail: (what: string) => FormatError): SubjectEdit {
  const [head, numbers] = cut(bytes, fail);
  let json: { factIds?: unknown; mark?: unknown; vectors?: unknown } | null;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(head)) as typeof json;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) throw fail(error.message);
    throw error;
  }
  const { factIds, mark, vectors } = json ?? {};
  if (!Array.isArray(factIds) || !factIds.every(isFactName) || !Array.isArray(vectors))
    throw fail("a fact's vectors have no list of facts, or are none");
  if (typeof mark !== "string") throw fail("a fact's vectors do not say for which model they are");
  let at = 0;
  const edits = (vectors as (Partial<VectorEdit> & { width?: unknown })[]).map((one) => {
    const { layerId, keys, width } = one ?? {};
    const isKey = (key: unknown): boolean =>
      Array.isArray(key) &&
      isUpTo(key.length - 1, MAX_KEY - 1) &&
      key.every((id) => isUpTo(id, 2 ** 31 - 1));
    if (
      !isUpTo(layerId, 65536) ||
      !isUpTo(width, (numbers.length - at) / 2) ||
      !Array.isArray(keys) ||
      !keys.every(isKey)
    )
      throw fail("a vector of a fact is incomplete");
    const codes = new Uint16Array(Uint8Array.from(numbers.subarray(at, at + 2 * width)).buffer);
    const vector = new Float32Array(width);
    decodeBf16Array(codes, vector);
    if (!vector.every(Number.isFinite)) throw fail("a vector of a fact has a number that is none");
    at += 2 * width;
    return { layerId, keys: keys as VectorEdit["keys"], vector };
  });
  if (at !== numbers.length) throw fail("a fact has more numbers than its vectors");
  return { factIds, mark, vectors: edits };
}

function factBody({ fact, edits }: Pick<FactRecord, "fact" | "edits">): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(fact));
  const head = new Uint8Array(4);
  new DataView(head.buffer).setUint32(0, json.length, true);
  const numbers: number[] = [];
  for (const { ids, from } of edits)
    for (const number of [from, ids.length, ...ids]) pushNumber(numbers, number);
  return joinedBytes([head, json, Uint8Array.from(numbers)]);
}

function parseFact(
  content: Uint8Array,
  fail: (what: string) => FormatError,
): Pick<FactRecord, "fact" | "edits"> {
  if (content.length < 4) throw fail("a fact has no text");
  const length = new DataView(content.buffer, content.byteOffset).getUint32(0, true);
  if (length > content.length - 4) throw fail("a fact's text is longer than its record");
  let fact: Fact;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(content.subarray(4, 4 + length));
    fact = checkFact(JSON.parse(text), "a fact");
  } catch (error) {
    if (error instanceof RequestError || error instanceof SyntaxError || error instanceof TypeError)
      throw fail(error.message);
    throw error;
  }
  const numbers = numbersIn(content.subarray(4 + length), fail);
  const edits: SuccessorEdit[] = [];
  for (let at = 0; at < numbers.length;) {
    const [from, count] = [numbers[at]!, numbers[at + 1] ?? 0];
    const ids = numbers.slice(at + 2, at + 2 + count);
    if (ids.length < count || from < 1 || from >= count)
      throw fail(`the wording of fact "${fact.id}" is incomplete`);
    edits.push({ ids, from });
    at += 2 + count;
  }
  return { fact, edits };
}

function pushNumber(into: number[], number: number): void {
  for (let left = number; ; left >>>= 7) {
    into.push(left > 127 ? (left & 127) | 128 : left);
    if (left <= 127) return;
  }
}

function numbersIn(bytes: Uint8Array, fail: (what: string) => FormatError): number[] {
  const numbers: number[] = [];
  let number = 0;
  let shift = 0;
  for (const byte of bytes) {
    if (shift > 28) throw fail("a number of a wording is too large");
    number += (byte & 127) * 2 ** shift;
    shift += 7;
    if (byte > 127) continue;
    numbers.push(number);
    number = shift = 0;
  }
  if (shift > 0) throw fail("a wording ends amid a number");
  return numbers;
}
