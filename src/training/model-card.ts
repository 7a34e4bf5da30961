/**
 * The model card: README.md of a model directory, for people and for model hubs, which read its head. Contains what
 * the run's record and result say, and leaves the rest to the owner. Makes text; reads no files.
 */
import type { RunRecord } from "./run-record.ts";

/** The part of the run's result that is in the card. */
export interface CardResult {
  readonly numParams: number;
  readonly numRows: number;
  readonly bitsPerByte: number;
  readonly bitsPerByteWithoutMemory: number | undefined;
  readonly seconds: number;
}

/** Where model hubs look for the card. */
export const CARD_NAME = "README.md";

/** Marks a card that nobody has edited: only such a card may be replaced. */
export const CARD_MARK = "<!-- Written by engram. Remove this line to keep your own text. -->";

export function modelCard(name: string, run: RunRecord, result: CardResult): string {
  const count = (n: number): string => n.toLocaleString("en-US");
  const { model, memory, counted, training } = run;
  const kinds = [
    memory &&
      `${count(result.numRows)} rows of ${memory.headDim} values, addressed by n-grams of up to ${memory.maxNgramSize} tokens`,
    counted && `counts of n-grams of up to ${counted.order} tokens`,
  ].filter((kind) => kind !== undefined);
  const files = (list: RunRecord["data"]): string[] =>
    list.map(
      (file) => `- \`${plain(file.name)}\`, ${count(file.bytes)} bytes, SHA-256 \`${file.sha256}\``,
    );
  const overrides = Object.entries(run.overrides).map(
    ([key, value]) => `${key} = ${JSON.stringify(value)}`,
  );
  return [
    "---",
    "library_name: engram-lm",
    "pipeline_tag: text-generation",
    "tags:",
    "- engram",
    "---",
    CARD_MARK,
    "",
    `# ${plain(name)}`,
    "",
    `An Engram language model: a transformer of ${count(result.numParams)} weights (${model.numLayers} layers of width ` +
      `${model.hiddenSize}, context ${count(model.maxPositions)})` +
      (kinds.length === 0 ? ", without a memory." : ` and a memory of ${kinds.join(", and of ")}.`),
    "",
    "## Use",
    "",
    '    npx engram-lm generate . --prompt "Once upon a time"',
    "    npx engram-lm serve .",
    "",
    "## Training",
    "",
    `${count(training.steps)} steps of ${count(training.batch * training.accumulate * training.length)} tokens` +
      `${run.from === undefined ? "" : `, of ${run.train === "memory" ? "the memory alone, the rest frozen, of" : "all of"} the model below`}` +
      `${run.preset === undefined ? "" : `, preset \`${plain(run.preset)}\``}` +
      `${overrides.length === 0 ? "" : ` with ${overrides.join(", ")}`}, seed ${run.seed}, ` +
      `${count(Math.round(result.seconds))} seconds on ${plain(run.machine.processor)}, ` +
      `engram ${run.versions["engram"] ?? "unknown"}${run.commit === undefined ? "" : ` at ${run.commit}`}.`,
    "",
    ...(run.from === undefined ? [] : ["It went on from:", "", ...files(run.from), ""]),
    "Text:",
    "",
    ...files(run.data),
    "",
    ...(run.valid === undefined
      ? [`Held out of it: ${run.holdOut}.`]
      : ["Measured on:", "", ...files(run.valid)]),
    "",
    "Everything that is needed to train it again is in `run.json`.",
    "",
    "## Measured",
    "",
    "| on the text that was not trained on | bits per byte |",
    "|---|---|",
    `| as it is | ${result.bitsPerByte.toFixed(4)} |`,
    ...(result.bitsPerByteWithoutMemory === undefined
      ? []
      : [
          `| the same with its memory switched off | ${result.bitsPerByteWithoutMemory.toFixed(4)} |`,
          "",
          "A model that was trained without a memory does better than one whose memory is switched off: what the memory is " +
            "worth, a run with `--no-memory` tells.",
        ]),
    "",
    "## What this card does not say",
    "",
    "Under which licence the text stands, what the model is for, and what it must not be used for: that is its owner's to add.",
    "",
  ].join("\n");
}

/** Without characters that have a meaning in Markdown. */
function plain(text: string): string {
  return text.replaceAll(/[`<>|\p{Cc}\s]+/gu, " ").trim();
}
