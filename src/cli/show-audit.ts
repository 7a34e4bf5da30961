/** What `engram audit` found, as text. Computes nothing. */
import {
  type AuditReport,
  type ClassReport,
  type CopyReport,
  GROUP_HEADS,
  kindsOf,
  type RowReport,
} from "../eval/index.ts";

export function describeAudit(report: AuditReport): string {
  const { tokens, bytes, blocks, base, contexts, gates, mixture, rows, classes } = report;
  const { trained, corpus } = report;
  const gateText = Object.entries(gates).map(([layer, mean]) => `L${layer} ${mean.toFixed(3)}`);
  const weightText = Object.entries(mixture ?? {}).map(([of, mean]) => `${of} ${mean.toFixed(3)}`);
  const lines = [
    `${count(tokens)} tokens, ${count(bytes)} bytes of text` +
      (trained === null ? "" : `; trained on ${count(trained.tokens)} tokens`) +
      (corpus === null
        ? ""
        : `; n-grams of ${corpus.name}, ${count(corpus.tokens)} tokens, by the model's index of it`) +
      (gateText.length === 0 ? "" : `; mean gate ${gateText.join(", ")}`),
    ...(weightText.length === 0 ? [] : [`mean weights: ${weightText.join(", ")}`]),
    `context: ${Object.entries(contexts)
      .map(([name, length]) => `${name} ${length} tokens`)
      .join(", ")}`,
    `Differences are from "${base}", token by token; ± is a 95 % interval (Student's t over ${blocks} blocks of tokens).`,
    "",
    `${"".padEnd(NAME)}${"bits/byte".padStart(10)}${"nats/token".padStart(12)}   ${"difference in bits/byte".padEnd(24)}`,
    ...rowLines(rows),
    ...classLines(classes, base),
    ...copyLines(report),
  ];
  return `${lines.map((line) => line.trimEnd()).join("\n")}\n`;
}

const NAME = 34;

function rowLines(rows: readonly RowReport[]): string[] {
  return Object.entries(GROUP_HEADS).flatMap(([group, head]) => {
    const own = rows.filter((row) => row.group === group);
    if (own.length === 0) return [];
    return [...(group === "model" ? [] : ["", head]), ...own.map(rowLine)];
  });
}

function rowLine({
  name,
  bitsPerByte,
  natsPerToken,
  difference,
  counted,
  weights,
}: RowReport): string {
  const notes = [
    ...(counted !== undefined && weights === undefined
      ? [`${(counted.bytes / 1e6).toFixed(2)} MB`]
      : []),
    ...(weights === undefined ? [] : [`weight ${weights.map((w) => w.toFixed(2)).join(", ")}`]),
  ];
  return (
    name.padEnd(NAME) +
    bitsPerByte.toFixed(4).padStart(10) +
    natsPerToken.toFixed(4).padStart(12) +
    "   " +
    (difference === null
      ? ""
      : interval(difference.bitsPerByte, difference.plusMinusBitsPerByte)
    ).padEnd(20) +
    notes.join(", ")
  );
}

function classLines(all: readonly ClassReport[], base: string): string[] {
  return kindsOf(all).flatMap(({ head, classes }) => {
    const names = Object.keys(classes[0]!.differences);
    return [
      "",
      `nats a token ${head}`,
      "".padEnd(NAME + 4) +
        "tokens".padStart(8) +
        base.padStart(9) +
        names.map((name) => name.padStart(22)).join(""),
      ...classes.map(
        (one) =>
          one.name.padEnd(NAME + 4) +
          count(one.tokens).padStart(8) +
          one.natsPerToken.toFixed(3).padStart(9) +
          names
            .map((name) => {
              const { mean, plusMinus } = one.differences[name]!;
              return interval(mean, plusMinus, 3).padStart(22);
            })
            .join(""),
      ),
    ];
  });
}

function copyLines({ copied, leastCopiedTokens }: AuditReport): string[] {
  const [first] = copied;
  if (first === undefined) return [];
  return [
    "",
    `longest run that stands word for word in the training text: ${first.texts} continuations of ${first.tokensEach} ` +
      `tokens each, runs of ${leastCopiedTokens} tokens or more`,
    ...copied.map(copyLine),
  ];
}

function copyLine({ name, longest, meanLongestTokens }: CopyReport): string {
  const { tokens, characters, text } = longest;
  const copy =
    tokens === 0
      ? "none"
      : `${tokens} tokens, ${characters} characters: ${JSON.stringify(shown(text))}`;
  return `${name.padEnd(20)}mean ${meanLongestTokens.toFixed(1).padStart(5)} tokens   ${copy}`;
}

/** The beginning of a text that may be long. */
function shown(text: string): string {
  const most = 60;
  return text.length <= most ? text : `${[...text].slice(0, most).join("")}…`;
}

function interval(mean: number, plusMinus: number | null, digits = 4): string {
  const sign = mean < 0 ? "-" : "+";
  const value = `${sign}${Math.abs(mean).toFixed(digits)}`;
  return plusMinus === null ? value : `${value} ± ${plusMinus.toFixed(digits)}`;
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}
