/** `engram audit`: measures what a model's memory gains, together with all controls. */
import { stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import * as z from "zod";
import { audit, auditSvg, firstTokens } from "../../eval/index.ts";
import { InvalidConfigError } from "../../errors.ts";
import { loadModel } from "../../load-model.ts";
import type { Model } from "../../opened-model.ts";
import { type DataFile, packDocuments, publicName } from "../../training/index.ts";
import {
  checkTexts,
  describeFile,
  HOLD_OUT_RULE,
  readAll,
  readPart,
  readRunRecord,
} from "../../training/node/index.ts";
import { path, wholeNumber } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { threadsOption, threadsSchema } from "../engine-threads.ts";
import { openedBy } from "../model-options.ts";
import { modelArgument } from "../resolve-model.ts";
import { describeAudit } from "../show-audit.ts";
import { tableOptions, tableSchema } from "../table-place.ts";

export const auditCommand: Command = defineCommand({
  path: "audit",
  summary: "measure a memory beside all its controls",
  description:
    "Scores a text with the memory on and off. The controls: rows shuffled, averaged, replaced by noise of the same " +
    "norms or by another model's rows; the gate held constant; each order and head alone; of counts, the weights of " +
    "their mixture held and each order alone; each kind of memory alone; a model trained without memory; Kneser-Ney " +
    "models of orders 2 to 5 of the training text, alone and mixed with the model. The audit also groups tokens by " +
    "whether their n-grams occur in the training text or in the context, and looks for text that the model copies " +
    "word for word. Every difference has a 95 % interval. Without --text, the held-out part of the --trained text " +
    "is scored, and the rest is counted.",
  arguments: [modelArgument],
  options: [
    { flags: "--text <FILE...>", description: "text to score" },
    {
      flags: "--trained <FILE...>",
      description: "text that MODEL was trained on (default: n-grams of its index, corpus.ngrams)",
    },
    { flags: "--without <MODEL>", description: "model trained without memory, same tokenizer" },
    { flags: "--donor <MODEL>", description: "model whose table replaces MODEL's as a control" },
    { flags: "--limit <N>", description: "score only the first N tokens of the text" },
    { flags: "--seed <S>", description: "seed of shuffles, noise and sampled texts (default 0)" },
    { flags: "--svg <FILE>", description: "also write the result as a picture" },
    threadsOption,
    ...tableOptions,
  ],
  examples: [
    "audit models/tiny --trained play.txt --without models/tiny-without",
    "audit models/wiki --text valid.jsonl --trained train.jsonl --limit 100000 --json",
  ],
  schema: z
    .object({
      model: path,
      text: z.array(path).optional(),
      trained: z.array(path).optional(),
      without: path.optional(),
      donor: path.optional(),
      limit: wholeNumber(2).optional(),
      seed: wholeNumber(0).default(0),
      svg: path.optional(),
      ...threadsSchema,
      ...tableSchema,
    })
    .refine(
      ({ text, trained }) => text !== undefined || trained !== undefined,
      "give --text (a text to score), --trained (the training text, whose held-out part is scored), or both",
    ),
  async run(
    {
      model: directory,
      text,
      trained,
      limit,
      seed,
      svg,
      threads,
      table,
      tableMemory,
      ...neighbours
    },
    { print, progress, signal, env },
  ) {
    if (svg !== undefined) await checkTarget(svg);
    await checkTexts([...(text ?? []), ...(trained ?? [])], { isReadOnce: false });
    await using model = await loadModel(
      directory,
      openedBy({ threads, table, tableMemory }, { progress, env }),
    );
    const open = (neighbour: string | undefined): Promise<Model> | undefined =>
      neighbour === undefined
        ? undefined
        : loadModel(neighbour, { backend: model.language.backend });
    await using without = (await open(neighbours.without)) ?? null;
    await using donor = (await open(neighbours.donor)) ?? null;
    progress.update("reading the texts");
    const described = (files: readonly string[] = []): Promise<DataFile[]> =>
      Promise.all(files.map((file) => describeFile(file, { signal })));
    const files = { text: await described(text), trained: await described(trained) };
    const isSplit = text === undefined || (await isHeldOutOf(directory, files.trained));
    const pack = (documents: Parameters<typeof packDocuments>[0]) =>
      packDocuments(documents, model.tokenizer, { signal });
    const all = await pack(text === undefined ? readPart(trained!, "valid") : readAll(text));
    const counted =
      trained && (await pack(isSplit ? readPart(trained, "train") : readAll(trained)));
    const report = await audit(model, {
      text: limit === undefined ? all : firstTokens(all, limit, model),
      trained: counted,
      without: without ?? undefined,
      donor: donor ?? undefined,
      seed,
      onProgress: (what) => progress.update(what),
      signal,
    });
    progress.end();
    print(describeAudit(report));
    if (svg !== undefined) {
      const title = `engram audit ${[directory, ...(text ?? trained!)].map(publicName).join(" ")}`;
      await writeFile(svg, auditSvg(report, { title }));
    }
    return {
      model: directory,
      files: { ...files, holdOut: isSplit ? HOLD_OUT_RULE : null },
      ...report,
    };
  },
});

/** Comes before minutes of work: the name must be a picture's, not a text's, and its directory be there. */
async function checkTarget(svg: string): Promise<void> {
  if (!svg.toLowerCase().endsWith(".svg"))
    throw new InvalidConfigError(`--svg: expected a name that ends in .svg, got ${svg}`);
  const found = await stat(dirname(svg)).catch(() => undefined);
  if (found?.isDirectory() !== true)
    throw new InvalidConfigError(`--svg: there is no directory ${dirname(svg)}; make it first`);
}

/** Whether run.json says that the model was trained on these texts and a part of them was held out. */
async function isHeldOutOf(directory: string, trained: readonly DataFile[]): Promise<boolean> {
  const record = await readRunRecord(directory);
  if (record?.["holdOut"] !== HOLD_OUT_RULE) return false;
  const data: unknown = record["data"];
  const sums = Array.isArray(data) ? data.map((one: unknown) => (one as DataFile)?.sha256) : [];
  return trained.every(({ sha256 }) => sums.includes(sha256));
}
