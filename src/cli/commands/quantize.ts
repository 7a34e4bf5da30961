/** `engram quantize`: a model with fewer bits, and what that costs. */
import * as z from "zod";
import { InvalidConfigError } from "../../errors.ts";
import { certify } from "../../eval/index.ts";
import type { LanguageModel } from "../../inference/index.ts";
import { ROW_FORMAT_NAMES } from "../../memory/index.ts";
import { WEIGHT_DTYPES } from "../../model/index.ts";
import {
  bytesInFormats,
  checkFormats,
  formatsOf,
  inFormats,
  type ModelFormats,
  openOriginal,
  writeInFormats,
} from "../../quantize-model.ts";
import { checkTexts, describeFile, readAll } from "../../training/node/index.ts";
import { byteSize, oneOf, path, weightDtype } from "../arguments.ts";
import { type Command, type CommandContext, defineCommand } from "../command.ts";
import { engineOf, threadsOption, threadsSchema } from "../engine-threads.ts";
import { modelArgument } from "../resolve-model.ts";
import { refuseFull, writeDerived } from "../derived-model.ts";

/** A line of the certificate: formats, what they take, and what they cost on the text if there is one. */
interface Line extends ModelFormats {
  /** Of weights and rows on disk. */
  readonly bytes: number;
  readonly bitsPerByte?: number;
  /** Nats a token. */
  readonly meanKl?: number;
}

export const quantizeCommand: Command = defineCommand({
  path: "quantize",
  summary: "make a model smaller, and measure the cost",
  description:
    "Packs the weights of the model MODEL, converts the rows of its memory, or both, and " +
    "writes the result to the directory DIR. With --text it measures first: bits per byte before and " +
    "after, and the mean KL divergence of the next-token probabilities. This certificate is printed, and " +
    "saved in DIR as quantization.json. With --text alone it measures every format and writes nothing.",
  arguments: [modelArgument],
  options: [
    { flags: "--out <DIR>", description: "directory for the result; must be new or empty" },
    { flags: "--dtype <KIND>", description: "weights as f32, q8 or q4 (default: as they are)" },
    {
      flags: "--rows <FORMAT>",
      description: "rows as f32, bf16, fp8, int8 or int4 (default: as they are)",
    },
    { flags: "--text <FILE>", description: "text to measure on (.txt or .jsonl)" },
    {
      flags: "--max-shard-size <SIZE>",
      description: "split the weights into files of at most SIZE (such as 4MB)",
    },
    threadsOption,
  ],
  examples: [
    "quantize models/wiki --text valid.jsonl",
    "quantize models/wiki --dtype q4 --rows fp8 --text valid.jsonl --out models/wiki-q4",
  ],
  schema: z.object({
    model: path,
    out: path.optional(),
    dtype: weightDtype.optional(),
    rows: oneOf(ROW_FORMAT_NAMES).optional(),
    text: path.optional(),
    maxShardSize: byteSize.optional(),
    ...threadsSchema,
  }),
  async run({ model: directory, out, dtype, rows, text, maxShardSize, threads }, context) {
    const isChosen = dtype !== undefined || rows !== undefined;
    if (out === undefined && text === undefined)
      throw new InvalidConfigError(
        "give --out, a directory to write to, or --text, a text to measure on, or both",
      );
    if (out !== undefined && !isChosen)
      throw new InvalidConfigError(
        "say what to change: --dtype for the weights, --rows for the memory's rows; " +
          "--text without --out measures every format",
      );
    if (out !== undefined) await refuseFull(out);
    if (text !== undefined) await checkTexts([text], { isReadOnce: false });
    await using original = await openOriginal(directory, { backend: () => engineOf(threads) });
    const { language } = original;
    const present = formatsOf(language);
    const chosen = { weights: dtype ?? present.weights, rows: rows ?? present.rows };
    const targets = isChosen ? [chosen] : everyFormat(language);
    for (const formats of targets) checkFormats(language, formats);
    const measured =
      text === undefined ? undefined : await measure(original, { targets, text, context });
    const line = async (formats: ModelFormats, cost: object = {}): Promise<Line> => ({
      ...formats,
      bytes: await bytesInFormats(original, formats),
      ...cost,
    });
    const certificate = {
      version: 1,
      text: measured?.text ?? null,
      original: await line(present, measured && { bitsPerByte: measured.bitsPerByte }),
      formats: await Promise.all(
        targets.map((formats, i) => line(formats, measured?.candidates[i])),
      ),
    };
    context.print(asText(certificate));
    if (out !== undefined) {
      const { weights, rows: ofRows = "none" } = chosen;
      const note = `## Quantised\n\nWeights as ${weights}, rows as ${ofRows}: what that costs is in \`quantization.json\`.`;
      await writeDerived(directory, { out, note }, (beside) =>
        writeInFormats(original, {
          out,
          formats: chosen,
          certificate,
          beside,
          weightFileBytes: maxShardSize,
        }),
      );
    }
    return { model: directory, ...(out !== undefined && { out }), ...certificate };
  },
});

/** One change at a time: each kind of packing, each format of rows. */
function everyFormat(model: LanguageModel): ModelFormats[] {
  const present = formatsOf(model);
  const canPack = present.weights === "f32";
  const canConvert = present.rows === "f32" || present.rows === "bf16";
  const packed = WEIGHT_DTYPES.filter((weights) => canPack && weights !== present.weights);
  const converted = ROW_FORMAT_NAMES.filter(
    (rows) => canConvert && rows !== present.rows && rows !== "f32",
  );
  const all = [
    ...packed.map((weights) => ({ ...present, weights })),
    ...converted.map((rows) => ({ ...present, rows })),
  ];
  if (all.length === 0)
    throw new InvalidConfigError(
      `weights (${present.weights}) and rows (${present.rows ?? "none"}) are quantised already; ` +
        "measure the original model instead",
    );
  return all;
}

async function measure(
  original: Awaited<ReturnType<typeof openOriginal>>,
  {
    targets,
    text,
    context,
  }: { targets: readonly ModelFormats[]; text: string; context: CommandContext },
) {
  const { progress, signal } = context;
  const { sha256 } = await describeFile(text, { signal });
  const { tokens, bytes, bitsPerByte, candidates } = await certify(original, readAll([text]), {
    candidates: targets.map((formats) => inFormats(original.language, formats)),
    onProgress: (done, total) => progress.update(`measuring: ${done}/${total} windows`),
    signal,
  });
  progress.end();
  return { text: { sha256, tokens, bytes }, bitsPerByte, candidates };
}

function asText({
  text,
  original,
  formats,
}: {
  text: { tokens: number; bytes: number } | null;
  original: Line;
  formats: readonly Line[];
}): string {
  const rows = [original, ...formats].map((line) => {
    const { weights, rows: format = "none", bytes, bitsPerByte, meanKl } = line;
    const size = `${(bytes / 2 ** 20).toFixed(2)} MiB`;
    const change = (bitsPerByte ?? 0) - (original.bitsPerByte ?? 0);
    const cost =
      bitsPerByte === undefined
        ? ""
        : `${bitsPerByte.toFixed(4).padStart(15)}${
            meanKl === undefined
              ? ""
              : `${`${change < 0 ? "" : "+"}${change.toFixed(5)}`.padStart(11)}${meanKl.toExponential(2).padStart(14)}`
          }`;
    return `${weights.padEnd(9)}${format.padEnd(7)}${size.padStart(14)}${cost}\n`;
  });
  const head = `${"weights".padEnd(9)}${"rows".padEnd(7)}${"on disk".padStart(14)}`;
  if (text === null) return `${head}\n${rows.join("")}`;
  return (
    `${text.tokens} tokens, ${text.bytes} bytes of text\n` +
    `${head}${"bits per byte".padStart(15)}${"change".padStart(11)}${"mean KL/nats".padStart(14)}\n` +
    rows.join("")
  );
}
