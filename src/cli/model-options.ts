/** How a command opens a model to compute with it: its options, and what they mean to `loadModel`. */
import * as z from "zod";
import { DEFAULT_SCOPE, isFactName } from "../facts/index.ts";
import type { MemoryPlace } from "../facts/node/index.ts";
import type { LoadModelOptions } from "../load-model.ts";
import type { WeightDtype } from "../model/index.ts";
import { path } from "./arguments.ts";
import type { CommandContext, CommandOption } from "./command.ts";
import { engineOf } from "./engine-threads.ts";
import { showPlan } from "./show-plan.ts";
import { type TableInput, tablePlacement } from "./table-place.ts";

export const dtypeOption = {
  flags: "--dtype <KIND>",
  description: "hold the weights as f32, q8 or q4 (default: as they are)",
} as const;

export const ctxSizeOption = {
  flags: "--ctx-size <N>",
  description: "most tokens of prompt and answer together (default: the model's)",
} as const;

/** Passwords belong in the environment: other users of a machine can see command lines. */
export const memoryOptions: readonly CommandOption[] = [
  {
    flags: "--memory-dir <DIR>",
    description: "where what it is taught is kept (default: its memory/, or the user's data)",
    env: "ENGRAM_MEMORY_DIR",
  },
  {
    flags: "--memory-url <URL>",
    description: "a memory that servers share, in Valkey or Redis: redis://host:port/NAME",
    env: "ENGRAM_MEMORY_URL",
  },
];

export const memorySchema: {
  readonly memoryDir: z.ZodOptional<typeof path>;
  readonly memoryUrl: z.ZodOptional<z.ZodString>;
} = { memoryDir: path.optional(), memoryUrl: z.string().optional() };

export const scopesOption = {
  flags: "--scope <NAME...>",
  description: "see what was taught in these scopes, the last one first (default: default)",
} as const;

export const learnOption = {
  flags: "--learn <SCOPE>",
  description:
    "count what is read into this scope's memory, which is read, too (default: nothing is)",
} as const;

/** The scopes that are read: what learns is, before all others. */
export function scopesRead({
  scope,
  learn,
}: {
  scope?: readonly string[] | undefined;
  learn?: string | undefined;
}): readonly string[] | undefined {
  if (learn === undefined) return scope;
  const named = scope ?? [DEFAULT_SCOPE];
  return named.includes(learn) ? named : [learn, ...named];
}

export const packOption = {
  flags: "--pack <FILE...>",
  description: "read packs beside the memory (engram pack build), the first one first",
} as const;

/** For commands in which a model answers. */
export const taughtOptions: readonly CommandOption[] = [scopesOption, packOption, ...memoryOptions];

/** The name of a scope, a fact or a snapshot. */
export const factName: z.ZodString = z
  .string()
  .refine(isFactName, 'expected 1 to 64 letters, digits, "_", ".", ":" or "-"');

/** As an environment variable: separated by commas. */
export const packList: z.ZodType<string[] | undefined, string[] | string | undefined> = z
  .union([z.array(path), z.string().transform((text) => text.split(","))])
  .refine((list) => list.length <= 16, "expected at most 16 packs")
  .optional();

export const taughtSchema: typeof memorySchema & {
  readonly scope: z.ZodOptional<z.ZodArray<typeof factName>>;
  readonly pack: typeof packList;
} = {
  scope: z.array(factName).max(16, "expected at most 16 scopes").optional(),
  ...memorySchema,
  pack: packList,
};

interface ModelInput extends TableInput, MemoryPlace {
  readonly pack?: readonly string[] | undefined;
  readonly dtype?: WeightDtype | undefined;
  readonly threads?: number | undefined;
}

/** The model closes the engine that it is opened with, and its plan is shown. */
export function openedBy(
  { dtype, threads, memoryDir, memoryUrl, pack, ...places }: ModelInput,
  { progress, env }: Pick<CommandContext, "progress" | "env">,
): LoadModelOptions {
  return {
    backend: () => engineOf(threads),
    dtype,
    memoryDir,
    memoryUrl,
    packs: pack,
    onPlan: showPlan(progress),
    ...tablePlacement(places, env),
  };
}
