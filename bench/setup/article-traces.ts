/**
 * The rows that articles ask for, token by token, through a real tokenizer: for benches of caches that must tell the
 * beginning of a new article from its continuation. Knows no store.
 */
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import {
  addressBatch,
  type Addressing,
  buildAddressing,
  buildLayout,
  buildTokenMap,
  compressedPad,
  compressIds,
  type TokenMap,
} from "../../src/memory/index.ts";
import { parseTokenizerJson, type Tokenizer } from "../../src/tokenizer/index.ts";

export interface ArticleRows {
  /** Of one token. */
  readonly columns: number;
  readonly numTokens: number;
  /** [numTokens, columns] */
  readonly rows: Uint32Array;
}

export class ArticleReader {
  readonly numRows: number;
  readonly #tokenizer: Tokenizer;
  readonly #tokenMap: TokenMap;
  readonly #addressing: Addressing;

  private constructor(tokenizer: Tokenizer, bucketRows: number) {
    this.#tokenizer = tokenizer;
    this.#tokenMap = buildTokenMap(tokenizer);
    const padTokenId = tokenizer.eosTokenId!;
    const config = {
      layerIds: [1],
      maxNgramSize: 3,
      numHeads: 8,
      minBucketRows: [bucketRows, bucketRows],
      padTokenId,
      compressedVocabSize: this.#tokenMap.compressedVocabSize,
      seed: 0,
    };
    const layout = buildLayout(config);
    this.numRows = layout.layers[0]!.numRows;
    this.#addressing = buildAddressing(layout, compressedPad(config, this.#tokenMap));
  }

  /** Orders 2 and 3, 8 heads: 16 buckets of `bucketRows` rows, 16 rows a token. */
  static async open(
    tokenizerFile: string,
    { bucketRows }: { bucketRows: number },
  ): Promise<ArticleReader> {
    return new ArticleReader(
      await parseTokenizerJson(await readFile(tokenizerFile, "utf8")),
      bucketRows,
    );
  }

  /** Articles of a .jsonl file, in order, until they have `maxTokens` tokens together. */
  async *read(file: string, { maxTokens }: { maxTokens: number }): AsyncGenerator<ArticleRows> {
    let left = maxTokens;
    for await (const line of createInterface({ input: createReadStream(file) })) {
      const ids = await this.#tokenizer.encode((JSON.parse(line) as { text: string }).text);
      const numTokens = Math.min(left, ids.length);
      if (numTokens === 0) continue;
      const compressed = compressIds(this.#tokenMap, ids.slice(0, numTokens));
      const [rows] = addressBatch(this.#addressing, compressed, { sequenceLength: numTokens });
      yield { columns: this.#addressing.numColumns, numTokens, rows: rows! };
      if ((left -= numTokens) === 0) return;
    }
  }
}
