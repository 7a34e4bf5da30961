/** What an audit finds. Plain data: what `--json` prints. Nats and bits are the lower the better. */

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

/** How far a row is from the base, on the same tokens; positive: the base is better. */
export interface DifferenceReport {
  readonly natsPerToken: number;
  readonly bitsPerByte: number;
  /** Halves of 95 % intervals, Student's t over blocks of tokens; null where the text is too short for two blocks. */
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
  /** Of a counted row: its longest n-grams, and the bytes of its table at rest. */
  readonly counted?: { readonly order: number; readonly bytes: number };
  /** Of a mixture: the share of counting in each half of the tokens, fitted on the other half. */
  readonly weights?: readonly [number, number];
}

/** Tokens of one kind, and what each path needs for them. */
export interface ClassReport {
  /** Told apart by what training saw, or by what the window shows. */
  readonly by: "training" | "window";
  /** Ids of the n-grams looked at. */
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

/** Classes that are told apart in the same way, and in which. */
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

/** What stands word for word in the training text. */
export interface CopyReport {
  /** Who wrote: a row's name and how it was drawn, or the scored text itself. */
  readonly name: string;
  readonly texts: number;
  readonly tokensEach: number;
  /** Over all texts. */
  readonly longest: { readonly tokens: number; readonly characters: number; readonly text: string };
  readonly meanLongestTokens: number;
}

export interface AuditReport {
  readonly tokens: number;
  readonly bytes: number;
  /** Of neighbouring tokens, over which intervals are taken. */
  readonly blocks: number;
  /** Name of the row that differences are taken from. */
  readonly base: string;
  /** Tokens of context of each model; differences between two such models are of contexts, too. */
  readonly contexts: Readonly<Record<string, number>>;
  /** Mean gate of each Engram layer. */
  readonly gates: Readonly<Record<string, number>>;
  /** Mean weight of the backbone and of the counts of each order, which sum to one; null without counts. */
  readonly mixture: Readonly<Record<string, number>> | null;
  readonly seed: number;
  readonly trained: { readonly tokens: number; readonly bytes: number } | null;
  readonly tableBytes: number | null;
  readonly rows: readonly RowReport[];
  readonly classes: readonly ClassReport[];
  /** Shorter runs count as none. */
  readonly leastCopiedTokens: number;
  readonly copied: readonly CopyReport[];
}
