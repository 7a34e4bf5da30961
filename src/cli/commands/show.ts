/** `engram show`: what a model directory holds, from its headers alone. */
import * as z from "zod";
import { isReleasedLayout, tableName } from "../../at-rest/index.ts";
import { checkModel } from "../../check-model.ts";
import type { LocatedTensor } from "../../checkpoint/index.ts";
import { FormatError } from "../../errors.ts";
import { openFilesAt } from "../../load-model.ts";
import { buildLayout, checkStoredConstants, findEngramConfig } from "../../memory/index.ts";
import { numParams, paramSpecs, parseQuantization, type WeightDtype } from "../../model/index.ts";
import { settingsOf, type StoredRun } from "../../training/index.ts";
import { readRunRecord } from "../../training/node/index.ts";
import { path } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { modelArgument } from "../resolve-model.ts";
import { describeReleased, describeReleasedAsText, hashLine } from "../show-released.ts";

export const showCommand: Command = defineCommand({
  path: "show",
  summary: "describe a model, its memory and its files",
  description:
    "Prints the sizes of the model MODEL and of its memory, the contents of every file, and " +
    "how the model was trained (run.json). Checks the stored hash constants. Reads only the configuration and " +
    "headers, so it is fast even with large tables. Directories in the layout of DeepSeek-V4.1-Flash work, too; " +
    "only the memory's files of these are described.",
  arguments: [modelArgument],
  options: [],
  examples: ["show models/tiny", "show models/tiny --json"],
  schema: z.object({ model: path }),
  async run({ model }, { print, progress }) {
    await using files = await openFilesAt(model);
    const { config } = files;
    const engram = findEngramConfig(config);
    // A wrong constant makes every address wrong, so a wrong one is an error.
    const hasConstants = engram !== undefined && checkStoredConstants(buildLayout(engram), config);
    if (engram !== undefined && (await isReleasedLayout(files, engram))) {
      const released = await describeReleased(files, engram, { hasConstants });
      print(describeReleasedAsText(released));
      return released;
    }
    // The checkpoint of a run with --table-memory has no tables, and is described as well.
    const hasTables =
      engram === undefined || (await files.find(tableName(engram.layerIds[0]!))) !== undefined;
    const checked = await checkModel(files, { memory: hasTables });
    const { config: sizes, tables, counts } = checked;
    const counted = counts && {
      order: sizes.counted!.order,
      contexts: counts.numContexts,
      bytes: counts.tensors.reduce((sum, { begin, end }) => sum + end - begin, 0),
    };
    // Two names may stand for one.
    const tensors = [...new Set(checked.tensors.values())];
    const memory = engram && {
      layers: checked.layout!.layers.map(({ layerId, numRows }, i) => ({
        layer: layerId,
        rows: numRows,
        usesCounted: tables[i]?.useCodes !== undefined,
      })),
      orders: Array.from({ length: engram.maxNgramSize - 1 }, (_, i) => i + 2),
      heads: engram.numHeads,
      valuesPerRow: engram.headDim,
      compressedVocab: engram.compressedVocabSize,
      hashConstants: hasConstants ? ("checked" as const) : ("computed" as const),
    };
    const isFile = files.source.single !== undefined;
    const run = await (isFile ? undefined : readRunRecord(model))?.catch((error: unknown) => {
      if (!(error instanceof FormatError)) throw error;
      // A damaged record is only noted: the model does not depend on it.
      progress.note(error.message);
      return undefined;
    });
    const document = {
      model,
      kind: config["model_type"] ?? "unknown",
      layers: sizes.numLayers,
      hiddenSize: sizes.hiddenSize,
      heads: sizes.numHeads,
      keyValueHeads: sizes.numKvHeads,
      context: sizes.maxPositions,
      vocab: sizes.vocabSize,
      weights: numParams(paramSpecs(sizes)),
      weightsAs: parseQuantization(config),
      tableValues: (memory?.layers ?? []).reduce(
        (sum, { rows }) => sum + rows * memory!.valuesPerRow,
        0,
      ),
      ...(memory === undefined ? {} : { memory }),
      ...(counted === undefined ? {} : { counted }),
      ...(run === undefined ? {} : { run }),
      files: filesOf(tensors),
      tensors: tensors.map(({ name, dtype, shape, file, begin, end }) => ({
        name,
        dtype,
        shape,
        file,
        begin,
        end,
      })),
    };
    print(describe(document, memory) + (run === undefined ? "" : describeRun(run)));
    return document;
  },
});

/** The origin of the model according to its run.json. */
function describeRun(run: StoredRun): string {
  const settings = settingsOf(run);
  const lines = [
    ["trained", run["begun"]],
    ["  by", run["command"]],
    ["  text", settings.get("data")],
    ["  measured", settings.get("valid") ?? settings.get("holdOut")],
    [
      "  versions",
      [...settings]
        .flatMap(([name, value]) =>
          name.startsWith("versions.") ? [`${name.slice(9)} ${value}`] : [],
        )
        .join(", "),
    ],
    ["  commit", settings.get("commit")],
    ["  machine", settings.get("machine.processor")],
  ] as const;
  return lines
    .flatMap(([name, value]) =>
      typeof value === "string" && value !== ""
        ? [`${name.padEnd(11)}${value.slice(0, 1000)}\n`]
        : [],
    )
    .join("");
}

interface FileSummary {
  readonly file: string;
  readonly tensors: number;
  readonly bytes: number;
  readonly dtypes: readonly string[];
}

function filesOf(tensors: readonly LocatedTensor[]): FileSummary[] {
  return [...Map.groupBy(tensors, ({ file }) => file)].map(([file, inside]) => ({
    file,
    tensors: inside.length,
    bytes: inside.reduce((n, { begin, end }) => n + end - begin, 0),
    dtypes: [...new Set(inside.map(({ dtype }) => dtype))],
  }));
}

interface Sizes {
  readonly model: string;
  readonly kind: unknown;
  readonly layers: number;
  readonly hiddenSize: number;
  readonly heads: number;
  readonly context: number;
  readonly vocab: number;
  readonly weights: number;
  readonly weightsAs: WeightDtype;
  readonly tableValues: number;
  /** How many contexts there are is an estimate: headers have the number of buckets. */
  readonly counted?: { readonly order: number; readonly contexts: number; readonly bytes: number };
  readonly files: readonly FileSummary[];
}

interface MemorySummary {
  readonly layers: readonly {
    readonly layer: number;
    readonly rows: number;
    /** Whether the counts of uses are stored beside the table. */
    readonly usesCounted: boolean;
  }[];
  readonly orders: readonly number[];
  readonly heads: number;
  readonly valuesPerRow: number;
  readonly compressedVocab: number;
  readonly hashConstants: "checked" | "computed";
}

function describe(sizes: Sizes, memory: MemorySummary | undefined): string {
  const count = (n: number): string => n.toLocaleString("en-US");
  const lines = [
    `${sizes.model}: ${String(sizes.kind)}, ${sizes.layers} layers of width ${sizes.hiddenSize}, ` +
      `${sizes.heads} heads, context ${count(sizes.context)}, vocabulary ${count(sizes.vocab)}`,
    `weights    ${count(sizes.weights)}${sizes.weightsAs === "f32" ? "" : `, packed as ${sizes.weightsAs}`}`,
  ];
  if (memory !== undefined)
    lines.push(
      `tables     ${count(sizes.tableValues)} values in rows of ${memory.valuesPerRow}`,
      ...memory.layers.map(
        ({ layer, rows, usesCounted }) =>
          `  layer ${layer}: ${count(rows)} rows, n-grams of ${memory.orders.join(" and ")}, ${memory.heads} heads each, ` +
          `over ${count(memory.compressedVocab)} compressed ids${usesCounted ? ", uses counted" : ""}`,
      ),
      hashLine(memory.hashConstants),
    );
  if (sizes.counted !== undefined)
    lines.push(
      `counts     what followed contexts of up to ${sizes.counted.order - 1} ids in the training text, about ` +
        `${count(sizes.counted.contexts)} contexts, ${count(sizes.counted.bytes)} bytes`,
    );
  lines.push(
    ...sizes.files.map(
      ({ file, tensors, bytes, dtypes }) =>
        `${file}  ${count(bytes)} bytes, ${tensors} tensor${tensors === 1 ? "" : "s"}, ${dtypes.join(" ")}`,
    ),
  );
  return `${lines.join("\n")}\n`;
}
