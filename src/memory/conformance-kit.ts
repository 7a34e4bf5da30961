/**
 * What every implementation of Engram must reproduce bit for bit, as one JSON document: hash constants and rows of
 * three configurations, bytes and values of every row format. Also compares such a document with ours. The tests
 * check ours against vectors from other implementations. Knows no files.
 *
 * Exact in JSON: 63-bit numbers are decimal text, bytes are hexadecimal, float32 values are the hexadecimal
 * digits of their bits, most significant first ("3f800000" is 1), any NaN is "7fc00000".
 */
import { FormatError } from "../errors.ts";
import { shown } from "../json-values.ts";
import { rowsForIds } from "./rows-for-ids.ts";
import { type AddressConfig, parseAddressConfig } from "./config.ts";
import { buildLayout, hashConstants, type LayerConstants } from "./layout.ts";
import { ROW_FORMAT_NAMES, rowFormat } from "./row-format.ts";

export interface ConformanceKit {
  readonly version: 1;
  readonly addressing: readonly AddressingCase[];
  readonly rowFormats: readonly RowFormatCase[];
}

export interface AddressingCase {
  readonly name: string;
  /** Keys of `config.json`. */
  readonly config: Readonly<Record<string, number | readonly number[]>>;
  readonly layers: readonly LayerConstants[];
  readonly sequences: readonly {
    /** -1 is DEAD (an image, say); the pad id counts as compressed. */
    readonly compressedIds: readonly number[];
    /** Layer -> position -> row of each column. */
    readonly rows: Readonly<Record<string, readonly (readonly number[])[]>>;
  }[];
}

export interface RowFormatCase {
  readonly name: string;
  readonly format: string;
  readonly valuesPerRow: number;
  /** The values to encode; absent where a case is for decoding only. */
  readonly values?: readonly string[];
  readonly bytes: string;
  readonly decoded: readonly string[];
}

/** Configurations under the released names, and compressed ids to address with each. */
const ADDRESSING: readonly {
  readonly name: string;
  readonly config: AddressingCase["config"];
  readonly sequences: readonly (readonly number[])[];
}[] = [
  {
    name: "deepseek-v4.1",
    config: {
      engram_layer_ids: [1, 14],
      engram_num_embeddings: [384006168, 384016682],
      engram_max_ngram_size: 4,
      engram_vocab_size: 16000000,
      engram_n_heads: 8,
      engram_pad_token_id: 2,
      engram_compressed_vocab_size: 99092,
    },
    sequences: [
      [0, 3, 15],
      [3, 99091, 2, 77, 77, 1024, 5],
      [7, -1, 99091, 0, -1, -1, 4, 4, 4, 4],
    ],
  },
  {
    name: "v1-demo, 1000 compressed ids",
    config: {
      engram_layer_ids: [1, 15],
      engram_max_ngram_size: 3,
      engram_vocab_size: [646400, 646400],
      engram_n_heads: 8,
      engram_pad_token_id: 2,
      engram_compressed_vocab_size: 1000,
    },
    sequences: [[0, 237, 999, 5, 5, 17, 3]],
  },
  {
    name: "tiny, a base for each order",
    config: {
      engram_layer_ids: [1, 2],
      engram_max_ngram_size: 3,
      engram_vocab_size: [11, 13],
      engram_n_heads: 3,
      engram_pad_token_id: 2,
      engram_compressed_vocab_size: 16,
    },
    sequences: [
      [1, 5, 9, 15, 0],
      [1, -1, 5],
    ],
  },
];

export function buildConformanceKit(): ConformanceKit {
  return {
    version: 1,
    addressing: ADDRESSING.map(({ name, config, sequences }) => {
      const parsed: AddressConfig = parseAddressConfig(config);
      return {
        name,
        config,
        layers: hashConstants(buildLayout(parsed)),
        sequences: sequences.map((compressedIds) => ({
          compressedIds,
          rows: rowsForIds({ config: parsed, compressedIds }).layers,
        })),
      };
    }),
    rowFormats: [...encodedRows(), ...decodedFp8Rows()],
  };
}

/** 40 values: more than one block of 32, of different magnitudes, with the cases that are easy to get wrong. */
function sampleValues(): Float32Array {
  const values = Float32Array.from({ length: 40 }, (_, i) =>
    i < 32 ? ((i * 37) % 64) / 7 - 4 : (i - 35.5) * 2 ** -20,
  );
  values.set([0, -0, 1, -1, 448, -449, 2 ** -9, 1e-30], 0);
  return values;
}

function* encodedRows(): Generator<RowFormatCase> {
  const values = sampleValues();
  const samples: [name: string, values: Float32Array][] = [
    ["forty values", values],
    ["sixteen values", values.subarray(8, 24)],
    ["zeros", new Float32Array(16)],
  ];
  for (const name of ROW_FORMAT_NAMES)
    for (const [what, sample] of samples) {
      const format = rowFormat(name, sample.length);
      const bytes = new Uint8Array(format.rowBytes);
      format.encode(sample, bytes);
      const row = { format: name, bytes, valuesPerRow: sample.length };
      yield { ...decodedRow(`${name}, ${what}`, row), values: bits(sample) };
    }
}

/** Every E4M3 code under scales from one end to the other. */
function* decodedFp8Rows(): Generator<RowFormatCase> {
  for (const scale of [0, 1, 2, 100, 127, 140, 254, 255]) {
    const bytes = Uint8Array.from({ length: 264 }, (_, i) => (i < 256 ? i : scale));
    const row = { format: "fp8", bytes, valuesPerRow: 256 };
    yield decodedRow(`fp8, every code times 2^${scale - 127}`, row);
  }
}

function decodedRow(
  name: string,
  { format, bytes, valuesPerRow }: { format: string; bytes: Uint8Array; valuesPerRow: number },
): RowFormatCase {
  const decoded = new Float32Array(valuesPerRow);
  rowFormat(format, valuesPerRow).decode(bytes, decoded);
  return { name, format, valuesPerRow, bytes: hexOf(bytes), decoded: bits(decoded) };
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function bits(values: Float32Array): string[] {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Array.from(words, (word, i) =>
    Number.isNaN(values[i]) ? "7fc00000" : word.toString(16).padStart(8, "0"),
  );
}

export interface KitReport {
  /** Numbers and texts compared. */
  readonly compared: number;
  /** "where: expected this, got that". */
  readonly differences: readonly string[];
  /** Parts that the other document lacks. That is allowed. */
  readonly missing: readonly string[];
}

/** Compares a document with the kit. Throws `FormatError` if it is not such a document or has no part of the kit. */
export function checkAgainstKit(other: unknown): KitReport {
  const report = { compared: 0, differences: [] as string[], missing: [] as string[] };
  compare("", { expected: buildConformanceKit(), found: other, report });
  if (report.compared <= 1)
    throw new FormatError(
      "expected a document as `engram conformance --json` prints it, or parts of one; it has neither " +
        '"addressing" nor "rowFormats"',
    );
  return report;
}

interface Comparison {
  readonly expected: unknown;
  readonly found: unknown;
  readonly report: { compared: number; differences: string[]; missing: string[] };
}

function compare(where: string, { expected, found, report }: Comparison): void {
  if (found === undefined) {
    report.missing.push(where);
    return;
  }
  const differs = (): void => {
    report.differences.push(
      `${where || "document"}: expected ${shown(expected)}, got ${shown(found)}`,
    );
  };
  if (typeof expected !== "object" || expected === null) {
    report.compared++;
    if (expected !== found) differs();
    return;
  }
  if (
    typeof found !== "object" ||
    found === null ||
    Array.isArray(expected) !== Array.isArray(found)
  ) {
    report.compared++;
    differs();
    return;
  }
  if (Array.isArray(expected)) compareLists(where, { expected, found, report });
  else
    for (const [key, value] of Object.entries(expected))
      compare(where === "" ? key : `${where}.${key}`, {
        expected: value,
        found: (found as Record<string, unknown>)[key],
        report,
      });
}

/** Cases are matched by name, so that some may be missing. Numbers are matched by position. */
function compareLists(where: string, { expected, found, report }: Comparison): void {
  const ours = expected as readonly unknown[];
  const theirs = found as readonly unknown[];
  if (nameOf(ours[0]) !== undefined) {
    for (const item of ours) {
      const name = nameOf(item)!;
      compare(`${where}["${name}"]`, {
        expected: item,
        found: theirs.find((candidate) => nameOf(candidate) === name),
        report,
      });
    }
    return;
  }
  if (ours.length !== theirs.length)
    report.differences.push(`${where}: expected ${ours.length} entries, got ${theirs.length}`);
  for (let i = 0; i < Math.min(ours.length, theirs.length); i++)
    compare(`${where}[${i}]`, { expected: ours[i], found: theirs[i] ?? null, report });
}

function nameOf(item: unknown): string | undefined {
  if (typeof item !== "object" || item === null) return undefined;
  const { name } = item as { name?: unknown };
  return typeof name === "string" ? name : undefined;
}
