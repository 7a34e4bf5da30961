/**
 * Which files of a repository a model needs: what `checkpoint`'s ModelFiles reads, its card and its licence. The same
 * weights in other formats (.bin, .pt, .onnx, a second set of safetensors) stay on the hub. Knows names; reads nothing.
 */
import { ggufFileNames, ggufModelNames, modelNames } from "../checkpoint/index.ts";
import { FormatError, RequestError } from "../errors.ts";

/** A file as the hub lists it. */
export interface HubFile {
  readonly name: string;
  readonly bytes: number;
  /** SHA-256 of a large file; of a small one what Git calls its blob. The name under which caches keep it. */
  readonly digest: string;
}

/** Besides `modelNames`, what other programs read who use the same cache. */
const beside = [
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "vocab.json",
  "merges.txt",
  "tokenizer.model",
  "run.json",
  "README.md",
  "LICENSE",
  "LICENSE.md",
  "LICENSE.txt",
];

/**
 * The files to fetch first: a GGUF file or its parts, or the settings of a directory, whose index says which weights there are.
 * Throws `RequestError` where the repository has no model that can be opened.
 */
export function firstFiles(
  listed: readonly HubFile[],
  { repo, file }: { readonly repo: string; readonly file?: string },
): readonly HubFile[] {
  const ggufs = ggufModelNames(listed.map(({ name }) => name));
  const choices = ggufs.map((name) => `${repo}:${name}`).join(", ");
  const all = (names: readonly string[]): HubFile[] =>
    names.map((name) => {
      const found = listed.find((one) => one.name === name);
      if (found !== undefined) return found;
      throw new RequestError(`${repo}: ${name} is missing, a part of ${names[0]}`);
    });
  const has = (name: string): boolean => listed.some((one) => one.name === name);
  if (file !== undefined) {
    const names = ggufFileNames(file);
    if (ggufs.includes(names[0]!)) return all(names);
    const others = choices === "" ? "it has no .gguf files" : `it has ${choices}`;
    throw new RequestError(`${repo}: expected the .gguf file ${file} at its top, ${others}`);
  }
  if (has(modelNames.config) && (has(modelNames.weights) || has(modelNames.index))) {
    const settings = [...Object.values(modelNames), ...beside];
    return listed.filter(({ name }) => name !== modelNames.weights && settings.includes(name));
  }
  if (ggufs.length === 1) return all(ggufFileNames(ggufs[0]!));
  if (ggufs.length > 1) throw new RequestError(`${repo} has several models; name one: ${choices}`);
  const found = listed
    .map(({ name }) => name)
    .filter((name) => /\.(bin|pth?|onnx|h5|msgpack)$/.test(name));
  throw new RequestError(
    `${repo} has no model that can be opened: expected config.json and safetensors, or a .gguf file` +
      (found.length === 0
        ? ""
        : `; it has ${found.slice(0, 4).join(", ")}, which have to be converted`),
  );
}

/** The files of the weights, by the names in the index, or the one file where there is no index. */
export function weightFiles(
  listed: readonly HubFile[],
  { repo, indexed }: { readonly repo: string; readonly indexed: readonly string[] | undefined },
): readonly HubFile[] {
  return (indexed ?? [modelNames.weights]).map((wanted) => {
    const found = listed.find(({ name }) => name === wanted);
    if (found !== undefined) return found;
    throw new RequestError(
      `${repo}: ${modelNames.index} names ${wanted}, which is not in the repository`,
    );
  });
}

/** Throws `FormatError` for files that would lie one over the other: many disks take names that differ in case alone for one. */
export function refuseTwins(files: readonly HubFile[], repo: string): void {
  const names = new Map<string, string>();
  for (const { name } of files) {
    const folded = name.normalize("NFC").toLowerCase();
    const twin = names.get(folded);
    if (twin !== undefined)
      throw new FormatError(
        `${repo}: ${twin === name ? `${name} is listed twice` : `${twin} and ${name} are one name on many disks`}; ` +
          "expected each of a model's files once",
      );
    names.set(folded, name);
  }
}
