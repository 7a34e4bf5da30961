/**
 * The files of a GGUF model: one, or the parts that llama-gguf-split made of it, NAME-00001-of-00003.gguf and so on. The
 * first part has the settings. Each part says which it is of how many. Knows names and headers; not what tensors mean.
 */
import type { ByteSource } from "../bytes/index.ts";
import { FormatError, RequestError } from "../errors.ts";
import { type GgufHeader, type GgufTensor, isGgufName } from "./gguf.ts";
import { GgufFile } from "./gguf-file.ts";
import { MissingFileError } from "./model-files.ts";

const partName = /^(.*)-(\d{5})-of-(\d{5})\.(gguf)$/i;

/** All files of the model that this file is, or is a part of, in order. */
export function ggufFileNames(name: string): string[] {
  const [, stem, , count, ending] = partName.exec(name) ?? [];
  if (stem === undefined || Number(count) === 0) return [name];
  const of = (part: number): string =>
    `${stem}-${String(part).padStart(5, "0")}-of-${count}.${ending}`;
  return Array.from({ length: Number(count) }, (_, i) => of(i + 1));
}

/** The GGUF models among these files, each by its first file, which need not be there. */
export function ggufModelNames(names: readonly string[]): string[] {
  const first = (name: string): string => name.replace(partName, "$1-00001-of-$3.$4");
  return [...new Set(names.filter(isGgufName).map(first))];
}

export interface GgufFilesHeader {
  readonly metadata: GgufHeader["metadata"];
  readonly tensors: ReadonlyMap<string, GgufTensor & { readonly file: string }>;
}

export class GgufFiles {
  readonly header: GgufFilesHeader;
  readonly #files: ReadonlyMap<string, GgufFile>;

  private constructor(files: ReadonlyMap<string, GgufFile>) {
    const tensors = new Map<string, GgufTensor & { file: string }>();
    for (const [file, { header }] of files)
      for (const [name, tensor] of header.tensors) {
        const other = tensors.get(name);
        if (other !== undefined)
          throw new FormatError(`tensor "${name}" is in ${other.file}, and again in ${file}`);
        tensors.set(name, { ...tensor, file });
      }
    const [first] = files.values();
    this.header = { metadata: first!.header.metadata, tensors };
    this.#files = files;
  }

  /**
   * Reads the headers of the file `name` and of the other parts of its model. Throws `MissingFileError` for a part that
   * is not there, and `FormatError` for files that are not sound or do not belong together.
   */
  static async open(source: ByteSource, name: string): Promise<GgufFiles> {
    const files = new Map<string, GgufFile>();
    const names = ggufFileNames(name);
    try {
      for (const [part, file] of names.entries()) {
        const ranges = await source.open(file);
        if (ranges === undefined) throw new MissingFileError(source.name, file);
        const opened = await GgufFile.open(ranges);
        files.set(file, opened);
        checkPart(opened, { part, count: names.length });
      }
      const all = new GgufFiles(files);
      const said = all.header.metadata.get("split.tensors.count");
      if (names.length > 1 && said !== all.header.tensors.size)
        throw new FormatError(
          `${source.name}: its ${names.length} parts have ${all.header.tensors.size} tensors, the first says ${String(said)}`,
        );
      return all;
    } catch (error) {
      for (const file of files.values()) await file.close();
      throw error;
    }
  }

  /** As `GgufFile.read`. */
  read(name: string): Promise<Uint8Array<ArrayBuffer>> {
    return this.#fileOf(name).read(name);
  }

  /** As `GgufFile.readRange`. */
  readRange(name: string, range: { begin: number; into: Uint8Array }): Promise<void> {
    return this.#fileOf(name).readRange(name, range);
  }

  async close(): Promise<void> {
    for (const file of this.#files.values()) await file.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #fileOf(name: string): GgufFile {
    const { file } = this.header.tensors.get(name) ?? {};
    if (file === undefined) throw new RequestError(`the model has no tensor "${name}"`);
    return this.#files.get(file)!;
  }
}

/** Some writers say of a whole model that it is one part of one. */
function checkPart(
  { path, header: { metadata } }: GgufFile,
  { part, count }: { part: number; count: number },
): void {
  const no = metadata.get("split.no") ?? 0;
  const of = metadata.get("split.count") || 1;
  if (no === part && of === count) return;
  throw new FormatError(
    `${path} says that it is part ${Number(no) + 1} of ${String(of)}, its name that it is part ${part + 1} of ${count}: ` +
      "parts are named NAME-00001-of-00003.gguf, and lie in one folder",
  );
}
