/** `engram graft`: a model without a memory -> the same model with one that has still to be taught. */
import * as z from "zod";
import { InvalidConfigError } from "../../errors.ts";
import { type Graft, graftModel } from "../../graft-model.ts";
import { MAX_ORDER } from "../../memory/index.ts";
import { findPreset, overridePreset, parseOverride } from "../../training/index.ts";
import { checkTexts, readAll } from "../../training/node/index.ts";
import { idList, path, wholeNumber } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { refuseFull, writeDerived } from "../derived-model.ts";
import { modelArgument } from "../resolve-model.ts";

export const graftCommand: Command = defineCommand({
  path: "graft",
  summary: "give a model a memory",
  description:
    "Writes the model in the directory MODEL with a memory to the directory DIR: --layers adds learned rows before " +
    "these layers, --counted ORDER the counts of the text in --data, in n-grams of up to ORDER tokens. Both may be added. " +
    "Nothing else is changed, and the memory says nothing yet: the new model answers as MODEL does, to the last bit. " +
    "Packed weights are written as the numbers that they stand for: the model answers as MODEL does with --dtype f32. " +
    "engram train --from DIR --train memory then teaches it a text, while the rest stays as it is. It counts the part of " +
    "its text that it trains on itself.",
  arguments: [modelArgument],
  options: [
    {
      flags: "--out <DIR>",
      description: "directory for the result; must be new or empty",
      isRequired: true,
    },
    { flags: "--layers <IDS>", description: "layers that get learned rows, such as 1 or 1,3" },
    { flags: "--counted <ORDER>", description: "count n-grams of up to ORDER tokens of --data" },
    { flags: "--data <FILE...>", description: "text to count" },
    {
      flags: "--set <NAME=VALUE...>",
      description:
        "sizes: maxNgramSize, memory.numHeads, memory.headDim, minBucketRows of learned rows (default: those of the " +
        "preset tiny), maxBytes of counts (default: as many as they take)",
    },
    { flags: "--seed <S>", description: "seed of the weights that fuse learned rows (default 0)" },
  ],
  examples: [
    "graft models/llama --layers 1 --set minBucketRows=40000,150000 --out models/grafted",
    "graft models/llama --counted 4 --data book.txt --out models/counting",
  ],
  schema: z.object({
    model: path,
    out: path,
    layers: idList(0).optional(),
    counted: wholeNumber(2, MAX_ORDER).optional(),
    data: z.array(path).optional(),
    set: z.array(z.string()).optional(),
    seed: wholeNumber(0).optional(),
  }),
  async run({ model, out, layers, counted: order, data, set = [], seed }, context) {
    if (layers === undefined && order === undefined)
      throw new InvalidConfigError(
        "say what to add: --layers for learned rows, --counted for counts of a text, or both",
      );
    if ((order === undefined) !== (data === undefined))
      throw new InvalidConfigError("--counted counts the text of --data: give both, or neither");
    const sizes = sizesOf(set);
    await refuseFull(out);
    if (data !== undefined) await checkTexts(data, { isReadOnce: true });
    const note =
      "## Grafted\n\nThis is the model above with a memory that has learned nothing yet: `engram train --from` teaches it.";
    const graft = await writeDerived(model, { out, note }, (beside) =>
      graftModel(model, {
        out,
        beside,
        signal: context.signal,
        ...(layers && { rows: { ...sizes.memory, layerIds: layers } }),
        ...(order !== undefined && {
          counted: { order, maxBytes: sizes.counted.maxBytes, text: readAll(data!) },
        }),
        ...(seed !== undefined && { seed }),
      }),
    );
    context.print(`${describe(out, graft)}\n`);
    return { model, out, ...graft };
  },
});

/** The sizes of both kinds of memory, of which --set says other numbers. */
function sizesOf(words: readonly string[]) {
  const tiny = findPreset("tiny");
  const { preset, overrides } = overridePreset(
    { ...tiny, counted: { ...tiny.counted, maxBytes: 0 } },
    Object.fromEntries(words.map(parseOverride)),
  );
  const wrong = Object.keys(overrides).filter(
    (name) => !name.startsWith("memory.") && name !== "counted.maxBytes",
  );
  if (wrong.length > 0)
    throw new InvalidConfigError(
      `${wrong.join(", ")}: a graft has only sizes of its memory, memory.* and counted.maxBytes; the model keeps its own`,
    );
  return preset;
}

function describe(out: string, graft: Graft): string {
  const { numParams, numRows, countedTokens, countedBytes, isUnpacked } = graft;
  const counts =
    countedTokens === 0
      ? ""
      : `, the counts of ${countedTokens} tokens in ${(countedBytes / 2 ** 20).toFixed(1)} MiB`;
  return (
    `${out}: ${numParams} weights and ${numRows} rows added${counts}; it answers as ` +
    `${isUnpacked ? "the packed model does with --dtype f32" : "before"}\n` +
    "teach it with: engram train --from " +
    `${out} --train memory --data FILE --out DIR`
  );
}
