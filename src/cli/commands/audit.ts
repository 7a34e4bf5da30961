/** `engram audit`: what a model's memory is worth, and by what, beside all its controls. */
import { stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import * as z from "zod";
import { audit, auditSvg, firstTokens } from "../../eval/index.ts";
import { InvalidConfigError } from "../../errors.ts";
import { loadModel } from "../../load-model.ts";
import type { Model } from "../../open-model.ts";
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
import { describeAudit } from "../show-audit.ts";
import { showPlan } from "../show-plan.ts";
import { tableOptions, tablePlacement, tableSchema } from "../table-place.ts";

export const auditCommand: Command = defineCommand({
  path: "audit",
  summary: "measure a memory beside all its controls",
  description:
    "Reads a text with the memory on and off, with its rows shuffled, averaged, replaced by noise of their lengths or " +
    "by a donor's, with its gate held, with each order and head alone, and by a model trained without memory; counts " +
    "the training text (Kneser-Ney of orders 2 to 5), alone and mixed with these; tells tokens apart by what training " +
    "and the window showed of them; and looks for what the model copies word for word. Every difference comes with a " +
    "95 % interval. Without --text, what training held out of the --trained text is scored, and the rest is counted.",
  arguments: [{ name: "MODEL", description: "model directory" }],
  options: [
    { flags: "--text <FILE...>", description: "text to score" },
    { flags: "--trained <FILE...>", description: "text that MODEL was trained on" },
    { flags: "--without <DIR>", description: "a model trained without memory, same tokenizer" },
    { flags: "--donor <DIR>", description: "a model whose table stands in for MODEL's" },
    { flags: "--limit <N>", description: "score the first N tokens of the text only" },
    { flags: "--seed <S>", description: "of shuffles, noise and drawn texts (default 0)" },
    { flags: "--svg <FILE>", description: "draw the result, too" },
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
      ...tableSchema,
    })
    .refine(
      ({ text, trained }) => text !== undefined || trained !== undefined,
      "give --text, a text to score, or --trained, of which training held a part out, or both",
    ),
  async run(
    { model: directory, text, trained, limit, seed, svg, table, tableMemory, ...neighbours },
    { print, progress, signal },
  ) {
    if (svg !== undefined) await checkTarget(svg);
    await checkTexts([...(text ?? []), ...(trained ?? [])], { isReadOnce: false });
    await using model = await loadModel(directory, {
      onPlan: showPlan(progress),
      ...tablePlacement({ table, tableMemory }),
    });
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
    if (svg !== undefined) {
      const title = `engram audit ${[directory, ...(text ?? trained!)].map(publicName).join(" ")}`;
      await writeFile(svg, auditSvg(report, { title }));
    }
    print(describeAudit(report));
    return {
      model: directory,
      files: { ...files, holdOut: isSplit ? HOLD_OUT_RULE : null },
      ...report,
    };
  },
});

/** Comes before minutes of work: checks that the picture can be written and overwrites nothing. */
async function checkTarget(svg: string): Promise<void> {
  if (!svg.toLowerCase().endsWith(".svg"))
    throw new InvalidConfigError(`--svg: expected a name that ends in .svg, got ${svg}`);
  const found = await stat(dirname(svg)).catch(() => undefined);
  if (found?.isDirectory() !== true)
    throw new InvalidConfigError(`--svg: there is no directory ${dirname(svg)}; make it first`);
}

/** Whether the model's own record says that these texts were its data, and a part of them was held out. */
async function isHeldOutOf(directory: string, trained: readonly DataFile[]): Promise<boolean> {
  const record = await readRunRecord(directory);
  if (record?.["holdOut"] !== HOLD_OUT_RULE) return false;
  const data: unknown = record["data"];
  const sums = Array.isArray(data) ? data.map((one: unknown) => (one as DataFile)?.sha256) : [];
  return trained.every(({ sha256 }) => sums.includes(sha256));
}
