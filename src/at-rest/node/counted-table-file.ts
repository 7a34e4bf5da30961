/**
 * A counted table as a file of its own: the tensors that it has in a model's directory (`counted-tensors.ts`), made of
 * files of n-gram counts in bounded memory. Knows no text and no model.
 */
import { writeFailure, writeSafetensors } from "../../checkpoint/node/index.ts";
import { buildTableOnDisk, OpenNgrams, type SignedFile } from "../../memory/counted/node/index.ts";
import type { CountedDirectory } from "../../memory/index.ts";
import { countedSourcesOf } from "../counted-tensors.ts";

export interface CountedTableOptions {
  /** Of the table; what gains least a byte is not listed. 0, the default: all is. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Writes the table of some counts, added and taken off. Beside `path` it needs as much room for scratch files, which
 * are gone afterwards. Throws `FormatError` for damaged counts, `InvalidConfigError` for counts that do not belong
 * together or a size that is too small, `StoreError` when the disk is full; `path` is then as before.
 */
export async function writeCountedTable(
  path: string,
  counts: readonly SignedFile[],
  { maxBytes = 0, signal }: CountedTableOptions = {},
): Promise<CountedDirectory> {
  try {
    using open = new OpenNgrams(counts);
    const { kind, ngrams } = open;
    await using table = await buildTableOnDisk(ngrams, { kind, scratch: path, maxBytes, signal });
    const [buckets, directory] = countedSourcesOf(table.directory, () => table.chunks());
    await writeSafetensors(path, [...buckets, ...directory], {
      format: "engram-counts",
      order: String(kind.order),
      vocab_size: String(kind.vocabSize),
      tokenizer_sha256: Buffer.from(kind.tokenizer).toString("hex"),
    });
    return table.directory;
  } catch (error) {
    throw writeFailure(error, path);
  }
}
