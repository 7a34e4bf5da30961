/** What a model is, in a line: from its headers, whether or not it can be run here. Throws what its files are not. */
import { stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { ggufFileNames, GgufFiles, isGgufName, type ModelFiles } from "../checkpoint/index.ts";
import { filesIn, openModelDirectory, openModelPath } from "../checkpoint/node/index.ts";
import { findEngramConfig } from "../memory/index.ts";
import { numParams, paramSpecs, parseQuantization, readModelConfig } from "../model/index.ts";

export interface ModelSummary {
  readonly architecture: string;
  /** Weights of the transformer; rows of a memory are not counted. */
  readonly parameters: number;
  /** Of most of the weights' bytes: "BF16", "Q4_K", "q4". */
  readonly dtype: string;
  readonly hasMemory: boolean;
}

/** Bytes of the model at a path; links count as what they lead to. */
export async function modelBytes(path: string): Promise<number> {
  const isFile = isGgufName(path);
  const folder = isFile ? dirname(path) : path;
  let sum = 0;
  for (const name of isFile ? ggufFileNames(basename(path)) : await filesIn(path))
    sum += (await stat(join(folder, name)).catch(() => undefined))?.size ?? 0;
  return sum;
}

export async function summarizeModel(path: string): Promise<ModelSummary> {
  if (isGgufName(path)) {
    await using file = await GgufFiles.open(await openModelPath(path), basename(path));
    const { metadata, tensors } = file.header;
    const architecture = String(metadata.get("general.architecture") ?? "unknown");
    const all = [...tensors.values()];
    return { architecture, parameters: elementsOf(all), dtype: mostOf(all), hasMemory: false };
  }
  await using files = await openModelDirectory(path);
  const { config } = files;
  const engram = findEngramConfig(config);
  return {
    architecture: String(config["model_type"] ?? "unknown"),
    ...(await weightsOf(files, engram)),
    hasMemory: engram !== undefined || config["counted_order"] !== undefined,
  };
}

async function weightsOf(
  files: ModelFiles,
  engram: ReturnType<typeof findEngramConfig>,
): Promise<Pick<ModelSummary, "parameters" | "dtype">> {
  // Two names may stand for one.
  const tensors = [...new Set((await files.tensors()).values())];
  try {
    const parameters = numParams(paramSpecs(await readModelConfig(files.config, engram)));
    const packed = parseQuantization(files.config);
    const ofTransformer = tensors.filter(({ name }) => name.startsWith("model."));
    return { parameters, dtype: packed === "f32" ? mostOf(ofTransformer) : packed };
  } catch {
    // Not a family that runs here: what the headers say.
    return { parameters: elementsOf(tensors), dtype: mostOf(tensors) };
  }
}

interface Span {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

function elementsOf(tensors: readonly Span[]): number {
  return tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
}

/** The type of most of the bytes. */
function mostOf(tensors: readonly Span[]): string {
  const bytes = new Map<string, number>();
  for (const { dtype, begin, end } of tensors)
    bytes.set(dtype, (bytes.get(dtype) ?? 0) + end - begin);
  return [...bytes].toSorted(([, a], [, b]) => b - a)[0]?.[0] ?? "none";
}
