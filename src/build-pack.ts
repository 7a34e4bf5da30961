/**
 * A corpus -> a pack: counted in bounded memory with a model's tokenizer, or with one that stands alone, and written as
 * one file. Trains nothing.
 */
import { type CountTextOptions, withCountedTable } from "./count-text.ts";
import { readTextFile } from "./checkpoint/node/index.ts";
import { DisposalStack } from "./disposal-stack.ts";
import { FormatError } from "./errors.ts";
import { fingerprintOf } from "./facts/node/index.ts";
import { OriginModel } from "./origin-model.ts";
import type { PackInfo, PackText } from "./packs/index.ts";
import { writePack } from "./packs/node/index.ts";
import type { Tokenizer } from "./tokenizer/index.ts";
import { openTokenizerFile } from "./tokenizer/node/index.ts";
import type { Document } from "./training/index.ts";
import { describeFile, readDocuments } from "./training/node/index.ts";

export interface BuildPackOptions extends Pick<CountTextOptions, "order" | "maxBytes" | "signal"> {
  readonly data: readonly string[];
  readonly out: string;
  /** Called now and then with what was counted. */
  readonly onProgress?: ((documents: number, characters: number) => void) | undefined;
}

/** A pack that was written. */
export interface BuiltPack {
  readonly out: string;
  /** Its sum. */
  readonly id: string;
  readonly info: PackInfo;
  /** Of its table. */
  readonly numBytes: number;
}

/** A tokenizer, with the text of its file and how many ids its models have. */
interface Ids {
  readonly tokenizer: Tokenizer;
  readonly file: string;
  readonly vocabSize: number;
}

/** Of a model's directory or GGUF file, or of a tokenizer.json. */
async function idsOf(path: string, owned: DisposalStack): Promise<Ids> {
  if (path.endsWith(".json")) {
    const file = await readTextFile(path);
    const opened = await openTokenizerFile(file).catch((cause: unknown) => {
      if (!(cause instanceof FormatError)) throw cause;
      throw new FormatError(`${path}: ${cause.message}`, { cause });
    });
    const tokenizer = owned.adopt(opened, (one) => one.close?.());
    return { tokenizer, file, vocabSize: tokenizer.vocabSize };
  }
  const origin = owned.adopt(await OriginModel.open(path), (one) => one.close());
  const tokenizer = owned.adopt(await origin.openTokenizer(), (one) => one.close?.());
  return { tokenizer, file: origin.tokenizer, vocabSize: tokenizer.vocabSize };
}

/**
 * Counts the texts of `data` with the tokenizer of the model or the tokenizer.json `from`. What is stopped goes on where it
 * was when it is called again with the same text: what was counted lies in `out`.counting until the pack is written.
 */
export async function buildPack(
  from: string,
  { data, out, order, maxBytes, signal, onProgress }: BuildPackOptions,
): Promise<BuiltPack> {
  await using owned = new DisposalStack();
  const { tokenizer, file, vocabSize } = await idsOf(from, owned);
  const texts: (PackText & { documents: number })[] = [];
  for (const one of data) texts.push({ ...(await describeFile(one, { signal })), documents: 0 });
  let [documents, characters] = [0, 0];
  async function* counted(): AsyncGenerator<Document> {
    for (const [n, path] of data.entries())
      for await (const document of readDocuments(path)) {
        documents++;
        texts[n]!.documents++;
        characters += document.text.length;
        onProgress?.(documents, characters);
        yield document;
      }
  }
  const counting = {
    documents: counted(),
    tokenizer,
    tokenizerFile: file,
    vocabSize,
    order,
    maxBytes,
    directory: `${out}.counting`,
    listsDocuments: true,
    signal,
  };
  return await withCountedTable(counting, async (table) => {
    const { files, numTokens, numBytes } = table;
    const info: PackInfo = {
      order,
      vocabSize,
      vocabulary: Buffer.from(fingerprintOf(tokenizer)).toString("hex"),
      texts,
      documents,
      tokens: numTokens,
    };
    const id = await writePack(out, { info, counts: files.flat(), documents: table.documents });
    return { out, id, info, numBytes };
  });
}
