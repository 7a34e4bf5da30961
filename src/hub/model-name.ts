/**
 * Names of models on a hub: `owner/repo`, `owner/repo:file.gguf`, either with `@revision`. Knows the spelling; not the
 * hub, and no files.
 */
import { isPlainName } from "../checkpoint/index.ts";

export interface ModelName {
  /** "owner/repo"; models from before there were owners have one word. */
  readonly repo: string;
  /** One file of the repository, which is a model by itself. */
  readonly file?: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
}

/** What a name without `@revision` means. */
export const DEFAULT_REVISION = "main";

/** As the hub has them: letters, digits, `-`, `_` and `.`, neither `--` nor `..`, and no sign at an end. */
const REPO = /^(?=.{1,96}$)[A-Za-z0-9](?:(?!--|\.\.)[\w.-])*$/;
const REVISION = /^(?=.{1,255}$)\w[\w.-]*(?:\/\w[\w.-]*)*$/;

/** Undefined for what is no such name. */
export function parseModelName(text: string): ModelName | undefined {
  const [, repo, early, file, late] =
    /^([^@:]+)(?:@([^@:]+))?(?::([^@:]+))?(?:@([^@:]+))?$/.exec(text) ?? [];
  const words = repo?.split("/") ?? [];
  if (words.length < 1 || words.length > 2 || !words.every(isWord)) return undefined;
  if (early !== undefined && late !== undefined) return undefined;
  const revision = early ?? late ?? DEFAULT_REVISION;
  if (!isRevision(revision) || (file !== undefined && !isPlainName(file))) return undefined;
  return { repo: repo!, ...(file !== undefined && { file }), revision };
}

/** As `parseModelName` reads it. */
export function formatModelName({ repo, file, revision }: ModelName): string {
  const at = revision === DEFAULT_REVISION ? "" : `@${revision}`;
  return `${repo}${at}${file === undefined ? "" : `:${file}`}`;
}

/** Whether a text is a branch, a tag or a commit, and as a path leads nowhere else. */
export function isRevision(text: string): boolean {
  return REVISION.test(text) && !text.includes("..");
}

export function isCommit(text: unknown): text is string {
  return typeof text === "string" && /^[0-9a-f]{40}$/.test(text);
}

function isWord(word: string): boolean {
  return REPO.test(word) && !/[.-]$|\.git$/.test(word);
}
