/**
 * How a family's weights lie in files: which tensors there are, what each is called, and which weights it holds. Knows
 * names and shapes; reads nothing.
 */
import type { ModelConfig } from "../config.ts";
import type { ParamSpec } from "../kind.ts";
import { embedName, headName, paramSpecs } from "../params.ts";
import { familyOf } from "./config-json.ts";

/** A tensor of the files. */
export interface StoredTensor {
  /** What it is called; the first is what it is written as. */
  readonly names: readonly string[];
  readonly shape: readonly number[];
  /** Whether it rests as [in, out]. */
  readonly isTransposed: boolean;
  /**
   * The weights that it holds, as [out, in]. Their rows take turns: `run` of the first, `run` of the second, and so
   * on, until there are none left.
   */
  readonly parts: readonly { readonly spec: ParamSpec; readonly run: number }[];
}

/** The tensors of weights that rest as numbers, in the order of `paramSpecs`. */
export function storedTensors(config: ModelConfig): StoredTensor[] {
  const { files } = familyOf(config);
  const groups = new Map<string, ParamSpec[]>();
  for (const spec of paramSpecs(config)) {
    const name = fileName(config, spec.name);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [spec]);
    else group.push(spec);
  }
  return [...groups].map(([name, specs]) => {
    const [{ name: first, shape, kind }] = specs as [ParamSpec];
    const rows = specs.reduce((sum, spec) => sum + spec.shape[0]!, 0);
    const whole = specs.length === 1 ? shape : [rows, ...shape.slice(1)];
    // Those of the memory are of our own making.
    const isOwn = name === first && files !== undefined;
    const isTransposed = files?.isTransposed === true && kind === "matrix" && !isOwn;
    return {
      names: spellings(config, name),
      shape: isTransposed ? whole.toReversed() : whole,
      isTransposed,
      parts: specs.map((spec) => {
        return { spec, run: (specs.length > 1 && files?.run?.(config)) || spec.shape[0]! };
      }),
    };
  });
}

/** A weight that rests alone, as it is called here. */
export function aloneStored(spec: ParamSpec): StoredTensor {
  const { name, shape } = spec;
  return { names: [name], shape, isTransposed: false, parts: [{ spec, run: shape[0]! }] };
}

/** The name of the layers in files of `config`, before their number. */
export function layersPrefix(config: ModelConfig): string {
  return familyOf(config).files?.layers ?? "model.layers.";
}

const ownLayer = /^model\.layers\.(\d+)\.(.*)$/;

function fileName(config: ModelConfig, name: string): string {
  const { files } = familyOf(config);
  const [, layer, rest] = ownLayer.exec(name) ?? [];
  const there = files?.names[rest ?? name];
  if (files === undefined || there === undefined) return name;
  return layer === undefined ? there : `${files.layers}${layer}.${there}`;
}

/** All names that a tensor may have: a tied one that of the head, too, and without what begins the backbone's names. */
function spellings(config: ModelConfig, name: string): string[] {
  const { prefix } = familyOf(config);
  if (prefix === undefined) return [name];
  const isTied = config.tieEmbeddings && name === fileName(config, embedName);
  return [
    name,
    ...(isTied ? [fileName(config, headName)] : []),
    ...(name.startsWith(prefix) ? [name.slice(prefix.length)] : []),
  ];
}
