/**
 * The machine in its stages, from text to the next token, with what each does at one place of a text in numbers: what
 * the drawing and the walk say. Reads reports; draws nothing.
 */
import type { InspectReport } from "../../../../src/inspect/report.ts";
import { count, fixed, percent, plural } from "../../format.ts";
import type { Word } from "../../glossary.ts";
import type { Moment } from "../../moment.ts";
import type { Props } from "../../server-info.svelte.ts";
import { visibleText } from "../../token-text.ts";
import type { LayerView } from "../../token-view.ts";

export type StageId =
  | "tokens"
  | "compressed"
  | "ngrams"
  | "numbers"
  | "rows"
  | "gate"
  | "stream"
  | "counts"
  | "next";

export interface Stage {
  readonly id: StageId;
  readonly title: string;
  /** What it does, in general. */
  readonly about: string;
  /** What it did here. */
  readonly here: string;
  /** The words that it needs. */
  readonly words: readonly Word[];
  /** Where more of it is seen: a view, and what stands in its address beside the text. */
  readonly more: { readonly view: string; readonly title: string; readonly params?: Params };
}

type Params = Readonly<Record<string, string>>;

/** What the machine did before one token. */
export interface Machine {
  readonly moment: Moment;
  /** The layer that is drawn, of those with a memory; absent without learned rows. */
  readonly layer: LayerView | undefined;
  readonly numRows: number;
  readonly numLayers: number;
  readonly memoryLayers: readonly number[];
  /** What the memory is read by, with ids. */
  readonly tokens: readonly {
    readonly text: string;
    readonly id: number;
    readonly compressed: number;
  }[];
}

export function machineAt(
  report: InspectReport,
  { moment, props, layerId }: { moment: Moment; props: Props; layerId: number | undefined },
): Machine {
  const layer = moment.layers.find((each) => each.layer === layerId) ?? moment.layers[0];
  const { index } = moment;
  const longest = Math.max(layer ? (props.engram?.maxNgramSize ?? 1) : 1, layer ? 1 : 3);
  const first = Math.max(Math.min(report.num_hidden, index - 1), index - longest);
  return {
    moment,
    layer,
    numRows: props.engram?.tables?.find((table) => table.layer === layer?.layer)?.rows ?? 0,
    numLayers: props.config.numLayers,
    memoryLayers: props.engram?.layerIds ?? [],
    tokens: report.tokens.slice(first, index),
  };
}

/** In the order in which a token passes them. Stages that a model has not are left out. */
export function stagesOf(machine: Machine): Stage[] {
  const { moment, layer, tokens, numRows, numLayers } = machine;
  const { trust } = moment;
  const quoted = (text: string): string => `“${visibleText(text)}”`;
  const all = (texts: readonly string[]): string => quoted(texts.join(""));
  const rows = layer?.orders.flatMap((order) => order.rows) ?? [];
  const heads = new Set(rows.map(({ head }) => head)).size;
  const { effect, origin } = moment;
  const text = "Every token of this text";
  return [
    {
      id: "tokens",
      title: "Text becomes tokens",
      about: "The text is cut into pieces that the model knows by number.",
      here: `Before the marked place stand ${tokens.map((token) => `${quoted(token.text)} (number ${token.id})`).join(", ")}.`,
      words: ["token"],
      more: { view: "text", title: text },
    },
    ...(layer === undefined
      ? []
      : ([
          {
            id: "compressed",
            title: "Spellings are made one",
            about:
              "The memory takes no notice of capitals and spaces in front: such tokens get one number.",
            here: `Here the numbers are ${tokens.map(({ compressed }) => compressed).join(", ")}.`,
            words: ["compressed id"],
            more: { view: "text", title: text },
          },
          {
            id: "ngrams",
            title: "The last tokens make n-grams",
            about: "Only the last few tokens lead to the memory, whatever the text says before.",
            here: `Here they are ${layer.orders.map((order) => `the ${order.order}-gram ${all(order.tokens.map((one) => one ?? ""))}`).join(" and ")}.`,
            words: ["n-gram"],
            more: { view: "text", title: text },
          },
          {
            id: "numbers",
            title: "A hash turns them into row numbers",
            about:
              "Multiply, mix, divide: no search, no learning. The same tokens always lead to the same rows.",
            here: `${plural(heads, "head")} for each of ${plural(layer.orders.length, "n-gram")} give ${plural(rows.length, "number")}: ${rows.map(({ row }) => row).join(", ")}.`,
            words: ["head"],
            more: { view: "memory", title: "The table as a map" },
          },
          {
            id: "rows",
            title: "The rows are read",
            about: `The table has ${count(numRows)} rows. It lies in cheap memory: reading ${rows.length} of them costs the same however many there are.`,
            here: origin
              ? `${origin.count > 0 ? `${all(origin.texts)} wrote row ${origin.row} ${plural(origin.count, "time")}` : `Row ${origin.row} was written by others`}${origin.other ? `; it shares the row with ${all(origin.other.texts)} (${plural(origin.other.count, "time")})${origin.more > 0 ? ` and ${count(origin.more)} more` : ""}.` : "; it has the row to itself."}`
              : `The longest of the ${rows.length} is row ${rows.toSorted((a, b) => b.norm - a.norm)[0]?.row}.`,
            words: ["row", "tenants"],
            more: { view: "memory", title: "What is where in the table" },
          },
          {
            id: "gate",
            title: "A gate lets them in, or not",
            about:
              "Rows are shared, so what was read may be about something else. The model compares it with what it has understood of the text.",
            here: `Here the gate stood at ${layer.gates.map((gate) => fixed(gate, 2)).join(", ")}, between 0 (shut) and 1 (open).`,
            words: layer.gates.length > 1 ? ["gate", "branch"] : ["gate"],
            more: { view: "text", title: "The gate after every token", params: { c: "gate" } },
          },
          {
            id: "stream",
            title: "It is added to what the model knows",
            about: `The model works in ${plural(numLayers, "layer")}, which add to one stream. What the gate lets in is added before layer ${machine.memoryLayers.join(" and layer ")}.`,
            here: `Here it was ${layer.stream > 0 ? percent(layer.written / layer.stream) : "0 %"} as long as the stream it was added to.`,
            words: ["stream", "layer"],
            more: { view: "text", title: "How much was written", params: { c: "written" } },
          },
        ] as const satisfies readonly Stage[])),
    ...(trust === undefined
      ? []
      : ([
          {
            id: "counts",
            title: "Counts speak for themselves",
            about:
              "A second memory was counted, not learned: what followed the last tokens in training, and how often.",
            here: `Here the model trusted its counts with ${percent(trust)} of what it says.`,
            words: ["counts"],
            more: { view: "memory", title: "How much was counted" },
          },
        ] as const satisfies readonly Stage[])),
    {
      id: "next",
      title: "Out comes the next token",
      about:
        "Every token of the vocabulary gets a chance, and one is drawn. Then all begins anew, with one token more.",
      here: `${quoted(moment.token)} got ${percent(effect.on)}; without the memory it has ${percent(effect.off)}.`,
      words: ["loss"],
      more: { view: "start", title: "Make it forget this" },
    },
  ];
}
