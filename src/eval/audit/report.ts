/** The result of an audit as plain data, which `--json` prints. Fewer nats and bits are better. */
import type { CorpusFacts } from "../../memory/index.ts";

/** Which part of the table a row belongs to. */
export type Group =
  | "model"
  | "rows"
  | "gate"
  | "mixture"
  | "parts"
  | "counting"
  | "counting at equal bytes";

/** What each group is, in the order of the table. */
export const GROUP_HEADS: Readonly<Record<Group, string>> = {
  model: "the model",
  rows: "with other rows or counts",
  gate: "with the gate held",
  mixture: "with the weights of its counts held",
  parts: "with a part of the memory alone",
  counting: "counting the training text (interpolated Kneser-Ney), alone and mixed",
  "counting at equal bytes": "the same, pruned to the bytes of the model's table",
};

/** Difference between a row and the base, on the same tokens. Positive: the base is better. */
export interface DifferenceReport {
  readonly natsPerToken: number;
  readonly bitsPerByte: number;
  /** Half a 95 % interval, Student's t over blocks of tokens; null if the text is too short for two blocks. */
  readonly plusMinusNatsPerToken: number | null;
  readonly plusMinusBitsPerByte: number | null;
}

export interface RowReport {
  readonly group: Group;
  readonly name: string;
  readonly bitsPerByte: number;
  readonly natsPerToken: number;
  /** Null for the base itself. */
  readonly difference: DifferenceReport | null;
  /** For counts: the length of the longest n-grams, and the bytes of the table when stored. */
  readonly counted?: { readonly order: number; readonly bytes: number };
  /** For a mixture: the weight of counting in each half of the tokens, fitted on the other half. */
  readonly weights?: readonly [number, number];
}

/** A class of tokens, and what each path needs for them. */
export interface ClassReport {
  /** Classes by what training saw, or by what the window shows. */
  readonly by: "training" | "window";
  /** Length of the n-grams in ids. */
  readonly order: number;
  readonly name: string;
  readonly tokens: number;
  /** Of the base. */
  readonly natsPerToken: number;
  /** By name of the row; nats a token. */
  readonly differences: Readonly<
    Record<string, { readonly mean: number; readonly plusMinus: number | null }>
  >;
}

/** The kinds of classes in a report, each with its classes. */
export function kindsOf(
  classes: readonly ClassReport[],
): { readonly head: string; readonly classes: readonly ClassReport[] }[] {
  return Array.from(Map.groupBy(classes, ({ by, order }) => `${by} ${order}`).values(), (same) => {
    const [{ by, order }] = same as [ClassReport];
    const head =
      by === "training"
        ? `by how often training read the ${order} ids before it, and whether they went on with it`
        : `by whether the window shows the ${order} ids before it`;
    return { head, classes: same };
  });
}

/** What occurs word for word in the training text. */
export interface CopyReport {
  /** Who wrote: a row's name and how it was drawn, or the scored text itself. */
  readonly name: string;
  readonly texts: number;
  readonly tokensEach: number;
  /** Over all texts. */
  readonly longest: { readonly tokens: number; readonly characters: number; readonly text: string };
  readonly meanLongestTokens: number;
}

/** What the same tokens cost the model, its controls and plain counting. */
export interface AuditReport {
  readonly tokens: number;
  readonly bytes: number;
  /** Number of blocks of adjacent tokens, over which intervals are taken. */
  readonly blocks: number;
  /** Name of the row that differences are taken from. */
  readonly base: string;
  /** Context of each model in tokens. If they differ, differences between models also come from the context. */
  readonly contexts: Readonly<Record<string, number>>;
  /** Mean gate of each Engram layer. */
  readonly gates: Readonly<Record<string, number>>;
  /** Mean weight of the backbone and of the counts of each order, which sum to one; null without counts. */
  readonly mixture: Readonly<Record<string, number>> | null;
  readonly seed: number;
  readonly trained: { readonly tokens: number; readonly bytes: number } | null;
  /**
   * The model's own index, where it stood in for the training text in classes: its n-grams are of compressed ids, and
   * came `least` times or more. Null where it did not.
   */
  readonly corpus: CorpusFacts | null;
  readonly tableBytes: number | null;
  readonly rows: readonly RowReport[];
  readonly classes: readonly ClassReport[];
  /** Shorter copies are not counted. */
  readonly leastCopiedTokens: number;
  readonly copied: readonly CopyReport[];
}
