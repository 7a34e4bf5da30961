/**
 * What may come next on a command line: commands, options, names of models, from the registry itself, so that no script
 * of a shell has to be kept up with it. Knows no shell.
 */
import { Option } from "commander";
import type { Command } from "./command.ts";
import { groupSummary } from "./command-groups.ts";

export interface Completion {
  readonly words: readonly { readonly word: string; readonly description: string }[];
  /** Whether paths fit, too, which shells complete by themselves. */
  readonly takesPath: boolean;
}

export interface CompletionSources {
  readonly commands: readonly Command[];
  /** Names of the models in the cache. */
  readonly modelNames: () => Promise<readonly string[]>;
}

const nothing: Completion = { words: [], takesPath: false };

/** Every command has these two. */
const everywhere = [
  { word: "--json", description: "print one JSON document on stdout and nothing else" },
  { word: "--help", description: "display help for command" },
];

/** `line` is what stands behind `engram`; its last word is the one to be completed, and may be empty. */
export async function completeWords(
  line: readonly string[],
  { commands, modelNames }: CompletionSources,
): Promise<Completion> {
  const current = line.at(-1) ?? "";
  const before = line.slice(0, -1);
  const command = commands.find(({ path }) =>
    path.split(" ").every((word, i) => before[i] === word),
  );
  const found =
    command === undefined
      ? commandWords(before, commands)
      : current.startsWith("-")
        ? optionWords(command)
        : await valueWords(command, { before, modelNames });
  return { ...found, words: found.words.filter(({ word }) => word.startsWith(current)) };
}

function commandWords(before: readonly string[], commands: readonly Command[]): Completion {
  const words = new Map<string, string>();
  for (const { path, summary } of commands) {
    const parts = path.split(" ");
    if (!before.every((word, i) => parts[i] === word)) continue;
    const word = parts[before.length]!;
    const isLast = parts.length === before.length + 1;
    words.set(word, isLast ? summary : groupSummary(word));
  }
  const found = [...words].map(([word, description]) => ({ word, description }));
  return { words: found, takesPath: false };
}

function optionWords({ options }: Command): Completion {
  const words = options.map(({ flags, description }) => ({
    word: new Option(flags).long!,
    description,
  }));
  return { words: [...words, ...everywhere], takesPath: false };
}

async function valueWords(
  command: Command,
  {
    before,
    modelNames,
  }: { before: readonly string[]; modelNames: CompletionSources["modelNames"] },
): Promise<Completion> {
  const kind = kindAt(command, before.slice(command.path.split(" ").length));
  if (kind === undefined) return nothing;
  if (kind === "SHELL")
    return { words: shells.map((word) => ({ word, description: "" })), takesPath: false };
  if (kind !== "MODEL" && kind !== "NAME") return { words: [], takesPath: pathKinds.has(kind) };
  const names = await modelNames();
  return {
    words: names.map((word) => ({ word, description: "pulled" })),
    takesPath: kind === "MODEL",
  };
}

export const shells = ["bash", "zsh", "fish"] as const;

/** What a value is called says what it is. */
const pathKinds: ReadonlySet<string> = new Set(["DIR", "FILE", "MODEL", "PLACE", "RUN", "TASK"]);

/** What the value after these words is called; undefined where no value fits. */
function kindAt(
  { arguments: args = [], options }: Command,
  given: readonly string[],
): string | undefined {
  let position = 0;
  /** Of the option whose values are being given. */
  let open: { readonly kind: string; readonly isList: boolean } | undefined;
  for (const word of given) {
    if (word.startsWith("-")) {
      const option = options
        .map(({ flags }) => new Option(flags))
        .find(({ long }) => long === word);
      const [, kind] = /<([A-Z-]+)/.exec(option?.flags ?? "") ?? [];
      open = kind === undefined ? undefined : { kind, isList: option!.variadic };
    } else if (open === undefined) position++;
    else if (!open.isList) open = undefined;
  }
  // The NAME of an option is no model's.
  if (open !== undefined) return open.kind === "NAME" ? undefined : open.kind;
  const last = args.at(-1);
  const argument = args[position] ?? (last?.name.endsWith("...") ? last : undefined);
  return argument?.name.replace("...", "");
}
