/**
 * A training run as the server shows it: a summary, and the lines of its log from a cursor on. Does not know where runs
 * are stored or how their logs are read.
 */
export interface RunSource {
  /** Unique among the runs of a server. */
  readonly name: string;
  summary(): Promise<RunSummaryFields>;
  read(options: { readonly cursor: string }): Promise<{
    readonly lines: readonly object[];
    /** The cursor for the next call. */
    readonly cursor: string;
    /** The log was rewritten: `lines` start again at its beginning. */
    readonly isRestart: boolean;
    readonly isEnd: boolean;
  }>;
}

export interface RunSummaryFields {
  readonly name: string;
  readonly state: string;
  readonly updatedAt: number | undefined;
  readonly step: number;
  readonly steps: number | undefined;
  readonly tokens: number;
  readonly seconds: number;
  readonly numParams: number | undefined;
  readonly numRows: number | undefined;
  readonly loss: number | undefined;
  readonly tokensPerSecond: number | undefined;
  readonly gates: Readonly<Record<string, number>>;
  readonly validBitsPerByte: number | undefined;
  readonly validStep: number | undefined;
  readonly bitsPerByteWithoutMemory: number | undefined;
  readonly bitsPerByteTrainedWithout: number | undefined;
  readonly settings: Readonly<Record<string, string>>;
}

/** A setting whose value is not the same in all runs. */
export interface Difference {
  readonly setting: string;
  /** In the order of the runs; undefined for a run without this setting. */
  readonly values: readonly (string | undefined)[];
}

/** The settings in which runs differ, in the order in which the runs list them. Runs without settings are left out of the comparison. */
export function differencesOf(
  runs: readonly Pick<RunSummaryFields, "settings">[],
): readonly Difference[] {
  const names = new Set(runs.flatMap(({ settings }) => Object.keys(settings)));
  const saying = runs.filter(({ settings }) => Object.keys(settings).length > 0);
  return [...names].flatMap((setting) =>
    new Set(saying.map(({ settings }) => settings[setting])).size < 2
      ? []
      : [{ setting, values: runs.map(({ settings }) => settings[setting]) }],
  );
}
