/** `engram pull`: a model from the Hugging Face Hub into the cache that its other clients share. */
import * as z from "zod";
import { formatModelName, type ModelName, parseModelName } from "../../hub/index.ts";
import {
  findCachedModel,
  hubSettings,
  pullModel,
  type PullProgress,
} from "../../hub/node/index.ts";
import { InvalidConfigError } from "../../errors.ts";
import { formatBytes } from "../../machine/index.ts";
import { type Command, type CommandContext, defineCommand } from "../command.ts";
import { formatDuration } from "../progress.ts";

export const pullCommand: Command = defineCommand({
  path: "pull",
  summary: "fetch a model from the Hugging Face Hub",
  description:
    "Fetches the model NAME (owner/repo, or owner/repo:file.gguf for one file; @REVISION behind either takes a branch, " +
    "a tag or a commit) into the cache that Python's huggingface_hub uses, too. Only the files that a model needs are " +
    "fetched, and their checksums are compared. After a cut or Ctrl-C the same command continues. Every command then " +
    "takes NAME wherever it takes a model directory. HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE, HF_HOME and HF_HUB_CACHE " +
    "mean what they mean there.",
  arguments: [{ name: "NAME", description: "owner/repo[:file.gguf][@revision]" }],
  options: [],
  examples: [
    "pull HuggingFaceTB/SmolLM2-135M-Instruct",
    "pull bartowski/SmolLM2-135M-Instruct-GGUF:SmolLM2-135M-Instruct-Q4_K_M.gguf",
  ],
  schema: z.object({
    name: z.string().transform((text, context): ModelName => {
      const name = parseModelName(text);
      if (name !== undefined) return name;
      context.addIssue(
        `expected owner/repo or owner/repo:file.gguf, either with @revision; got "${text}"`,
      );
      return z.NEVER;
    }),
  }),
  async run({ name }, context) {
    const settings = hubSettings(context.env);
    const text = formatModelName(name);
    if (settings.isOffline) {
      const path = await findCachedModel(settings.cache, name);
      if (path === undefined)
        throw new InvalidConfigError(
          `${text} is not in ${settings.cache}, and HF_HUB_OFFLINE is set; unset it to fetch the model`,
        );
      context.progress.note("HF_HUB_OFFLINE is set: this is what the cache has");
      context.print(`${text} is at ${path}\n`);
      return { model: text, path, fetchedBytes: 0 };
    }
    const { commit, path, files, fetchedBytes } = await pullModel(name, settings, {
      signal: context.signal,
      onProgress: progressOf(context),
      onRetry: (reason, wait) =>
        context.progress.note(`${reason}; trying again in ${Math.ceil(wait / 1000)} s`),
    }).catch((error: unknown) => {
      if (context.signal.aborted)
        context.progress.note("stopped; the same command continues from here");
      throw error;
    });
    context.progress.end();
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    const news = fetchedBytes === 0 ? "already there" : `${formatBytes(fetchedBytes)} fetched`;
    context.print(`${text} is at ${path}\n${files.length} files, ${formatBytes(bytes)}, ${news}\n`);
    return {
      model: text,
      path,
      commit,
      bytes,
      fetchedBytes,
      files: files.map((file) => file.name),
    };
  },
});

/** "model.safetensors  1.20 GiB of 2.30 GiB  48.1 MiB/s  0:23 left" */
function progressOf({ progress }: CommandContext): (now: PullProgress) => void {
  const start = performance.now();
  return ({ file, doneBytes, fetchedBytes, totalBytes }) => {
    const rate = fetchedBytes / ((performance.now() - start) / 1000);
    progress.update(
      `${file}  ${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}  ${formatBytes(rate)}/s  ` +
        `${formatDuration((totalBytes - doneBytes) / rate)} left`,
    );
  };
}
