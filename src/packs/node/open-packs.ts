/**
 * Packs for one model: checked against its vocabulary by their headers, then read into memory whole, and put together as
 * requests ask for them. Knows files and tables; no texts.
 */
import { basename } from "node:path";
import { DisposalStack } from "../../disposal-stack.ts";
import { InvalidConfigError, RequestError } from "../../errors.ts";
import {
  BlendedCounts,
  CountedMemory,
  type DocumentsOfNgrams,
  type Memory,
  type Origins,
  withVocabulary,
} from "../../memory/index.ts";
import type { ModelPacks, PackUse } from "../model-packs.ts";
import type { PackInfo, ReaderWeights } from "../pack-format.ts";
import { PackFile } from "./pack-file.ts";

/** Opens packs by their paths; a pack is called by its file's name, without ".pack". Throws `InvalidConfigError`. */
export async function openPacks(
  paths: readonly string[],
  of: {
    /** SHA-256 of the bytes of all tokens, in hexadecimal. */
    readonly vocabulary: string;
    readonly vocabSize: number;
    /** Whether the model weighs counts itself. */
    readonly hasReader: boolean;
  },
): Promise<ModelPacks> {
  await using opened = new DisposalStack();
  const files = new Map<string, PackFile>();
  for (const path of paths) {
    const file = opened.adopt(await PackFile.open(path), (one) => one.close());
    const name = basename(path).replace(/\.pack$/, "");
    if (files.has(name))
      throw new InvalidConfigError(
        `two packs are called "${name}": give one of the files another name`,
      );
    checkVocabulary(file, of);
    files.set(name, file);
  }
  const reader = of.hasReader ? undefined : [...files.values()].find(({ info }) => info.reader);
  if (!of.hasReader && reader === undefined)
    throw new InvalidConfigError(
      `the model has nothing that weighs counts, and none of ${paths.join(", ")} brings it: make a pack that does with ` +
        "engram reader train MODEL --data FILE --out FILE.pack, and give it, too",
    );
  return new Packs(files, { reader, owned: opened.move() });
}

function checkVocabulary(
  { path, info }: PackFile,
  { vocabulary, vocabSize }: { vocabulary: string; vocabSize: number },
): void {
  if (info.vocabulary !== vocabulary)
    throw new InvalidConfigError(
      `${path} was counted with another tokenizer (${info.vocabulary.slice(0, 12)}…; the model's is ` +
        `${vocabulary.slice(0, 12)}…): its ids are other tokens; build it again with engram pack build`,
    );
  if (info.vocabSize > vocabSize)
    throw new InvalidConfigError(
      `${path} counts ${info.vocabSize} ids, the model has ${vocabSize}; build it again with engram pack build`,
    );
}

/** The documents of a pack by their files, each counted from one. */
function originsOf(
  pack: string,
  { info: { texts }, documents }: { info: PackInfo; documents: DocumentsOfNgrams | undefined },
): Origins | undefined {
  if (documents === undefined) return undefined;
  return {
    originOf(ids, at) {
      const found = documents.find(ids, at);
      if (found === undefined) return undefined;
      let { document } = found;
      for (const { name, documents: own } of texts) {
        if (document < own!)
          return { pack, file: name, document: document + 1, isOnly: found.isOnly };
        document -= own!;
      }
      return undefined;
    },
  };
}

class Packs implements ModelPacks {
  readonly #files: ReadonlyMap<string, PackFile>;
  readonly #reader: PackFile | undefined;
  readonly #owned: DisposalStack;
  readonly #counts = new Map<string, CountedMemory>();

  constructor(
    files: ReadonlyMap<string, PackFile>,
    { reader, owned }: { reader: PackFile | undefined; owned: DisposalStack },
  ) {
    this.#files = files;
    this.#reader = reader;
    this.#owned = owned;
  }

  get names(): readonly string[] {
    return [...this.#files.keys()];
  }

  get #readerName(): string | undefined {
    return [...this.#files].find(([, file]) => file === this.#reader)?.[0];
  }

  get numBytes(): number {
    return [...this.#files.values()].reduce((sum, { fileBytes }) => sum + fileBytes, 0);
  }

  get readerOrder(): number | undefined {
    return this.#reader?.info.order;
  }

  async read(
    { vocabSize, layerId, order }: PackUse,
    model: { readonly mark: string; readonly hiddenSize: number } | undefined,
  ): Promise<ReaderWeights | undefined> {
    const brought = this.#reader?.info.reader;
    if (model !== undefined && brought !== undefined) {
      const { path } = this.#reader!;
      if (brought.model !== model.mark || brought.hiddenSize !== model.hiddenSize)
        throw new InvalidConfigError(
          `${path} weighs counts for another model (${brought.model}; this one is ${model.mark}), or for this one with its ` +
            "weights held otherwise (--dtype): train a reader for it with engram reader train",
        );
    }
    let reader: ReaderWeights | undefined;
    for (const [name, file] of this.#files) {
      const pack = await file.read();
      const table = withVocabulary(pack.table, vocabSize);
      this.#counts.set(
        name,
        new CountedMemory(table, {
          layerId,
          order,
          identity: `pack ${pack.id}`,
          origins: originsOf(name, { info: file.info, documents: pack.documents }),
        }),
      );
      if (file === this.#reader) reader = pack.reader;
    }
    return model && reader;
  }

  memory(
    own: CountedMemory | undefined,
    names: readonly string[] = this.names,
  ): Memory | undefined {
    const asked = new Set(names);
    // Alone a pack would be believed outside its domain, too (docs/results/2026-11-28-packs.md).
    if (asked.size > 0 && this.#readerName !== undefined) asked.add(this.#readerName);
    const parts = [...asked].map((name) => {
      const counts = this.#counts.get(name);
      if (counts !== undefined) return counts;
      throw new RequestError(`there is no pack "${name}"; there are ${this.names.join(", ")}`);
    });
    if (own !== undefined) parts.push(own);
    return parts.length > 1 ? new BlendedCounts(parts) : parts[0];
  }

  async close(): Promise<void> {
    await this.#owned[Symbol.asyncDispose]();
  }
}
