/**
 * The settings of rotary positions in config.json: `rope_theta` and `rope_scaling`, or `rope_parameters`, as which
 * version 5 of Transformers writes both. Closed like the rest.
 */
import { InvalidConfigError } from "../../errors.ts";
import { shown } from "../../json-values.ts";
import type { RopeScaling } from "../config.ts";
import { checkKeys, decimal, type Json, whole } from "./closed.ts";

export const ropeKeys: readonly string[] = ["rope_theta", "rope_scaling", "rope_parameters"];

export interface RopeSettings {
  readonly ropeTheta: number;
  readonly ropeScaling?: RopeScaling;
  /** Share of a head that is rotated, if it is said here. */
  readonly share?: number;
}

/** `theta` is what an absent `rope_theta` stands for; `isPartial` says whether a part of a head may be rotated. */
export function readRope(
  json: Json,
  { theta, isPartial = false }: { theta: number; isPartial?: boolean },
): RopeSettings {
  const name = json["rope_parameters"] == null ? "rope_scaling" : "rope_parameters";
  const part = json[name] ?? {};
  if (typeof part !== "object" || Array.isArray(part)) throw refused(name, part);
  const given = part as Json;
  const where = `config.json, "${name}"`;
  const kind = given["rope_type"] ?? given["type"] ?? "default";
  if ((given["type"] ?? kind) !== kind) throw refused(name, part);
  const scaling = scalings[kind as string];
  if (typeof kind !== "string" || scaling === undefined || !Object.hasOwn(scalings, kind))
    throw refused(name, part);
  const partial = "partial_rotary_factor";
  const read = [
    "rope_type",
    "type",
    "rope_theta",
    ...scaling.read,
    ...(isPartial ? [partial] : []),
  ];
  checkKeys(given, { read, fixed: isPartial ? {} : { [partial]: [1] }, neutral: {} }, where);
  const [own, outer] = [given["rope_theta"], json["rope_theta"]];
  if (own != null && outer != null && own !== outer)
    throw new InvalidConfigError(
      `config.json: "rope_theta" is ${shown(outer)}, and ${shown(own)} in "${name}"`,
    );
  const share = given[partial];
  const ropeScaling = scaling.parse(given, where);
  return {
    ropeTheta: decimal({ rope_theta: own ?? outer ?? theta }, "rope_theta", { least: 1 }),
    ...(ropeScaling !== undefined && { ropeScaling }),
    ...(share != null && { share: rotaryShare(given, partial) }),
  };
}

/** The share of a head that is rotated. */
export function rotaryShare(json: Json, key: string): number {
  return decimal(json, key, { most: 1 });
}

/** `rope_theta` and `rope_scaling`, which every version of Transformers reads. */
export function ropeToJson({ ropeTheta, ropeScaling }: RopeSettings): Record<string, unknown> {
  return {
    rope_theta: ropeTheta,
    rope_scaling:
      ropeScaling === undefined
        ? null
        : ropeScaling.kind === "linear"
          ? { rope_type: "linear", factor: ropeScaling.factor }
          : {
              rope_type: "llama3",
              factor: ropeScaling.factor,
              low_freq_factor: ropeScaling.lowFrequency,
              high_freq_factor: ropeScaling.highFrequency,
              original_max_position_embeddings: ropeScaling.trainedPositions,
            },
  };
}

interface Scaling {
  readonly read: readonly string[];
  parse(json: Json, where: string): RopeScaling | undefined;
}

const scalings: Readonly<Record<string, Scaling>> = {
  default: { read: [], parse: () => undefined },
  linear: {
    read: ["factor"],
    parse: (json) => ({ kind: "linear", factor: decimal(json, "factor", { least: 1 }) }),
  },
  llama3: {
    read: ["factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"],
    parse(json, where) {
      const scaling = {
        kind: "llama3",
        factor: decimal(json, "factor", { least: 1 }),
        lowFrequency: decimal(json, "low_freq_factor"),
        highFrequency: decimal(json, "high_freq_factor"),
        trainedPositions: whole(json, "original_max_position_embeddings"),
      } as const;
      if (scaling.highFrequency > scaling.lowFrequency) return scaling;
      throw new InvalidConfigError(
        `${where}: "high_freq_factor" ${scaling.highFrequency} must be above "low_freq_factor" ${scaling.lowFrequency}`,
      );
    },
  },
};

function refused(name: string, value: unknown): InvalidConfigError {
  return new InvalidConfigError(
    `config.json: this model needs what is not computed here: "${name}": ${shown(value)} ` +
      `(computed here as null or of type ${Object.keys(scalings).join(", ")})`,
  );
}
