/**
 * `engram rows`: the table rows that a text, or ids, address. Needs a configuration, no weights. How
 * addresses are computed is `memory`'s.
 */
import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import * as z from "zod";
import { locateTables } from "../../at-rest/index.ts";
import { openModelDirectory, readJsonFile } from "../../checkpoint/node/index.ts";
import { InvalidConfigError } from "../../errors.ts";
import {
  buildLayout,
  buildTokenMap,
  checkStoredConstants,
  parseAddressConfig,
  parseEngramConfig,
  Retrieval,
  type RetrievalTable,
  rowsForIds,
} from "../../memory/index.ts";
import { parseDocumentStart } from "../../model/index.ts";
import { idList, path } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { loadTokenizer } from "../load-tokenizer.ts";

/** The forms of a sequence; exactly one is given. */
const sources = ["text", "ids", "compressedIds"] as const;

const schema = z
  .object({
    config: path,
    text: z.string().min(1, "expected a text, got an empty one").optional(),
    ids: idList(0).optional(),
    compressedIds: idList(-1).optional(),
    tokenizer: path.optional(),
    values: z.boolean().optional(),
  })
  .refine(
    (input) => sources.filter((key) => input[key] !== undefined).length === 1,
    "give one of --text, --ids and --compressed-ids",
  );

type Input = z.output<typeof schema>;

export const rowsCommand: Command = defineCommand({
  path: "rows",
  summary: "show which rows of the memory a text addresses",
  description:
    "Prints, for each layer with memory and for each token, the rows of the layer's table that the token " +
    "and the tokens before it address. Needs the configuration of a model (config.json), but no weights. " +
    "--text and --ids also need its tokenizer: tokenizer.json beside the config, or --tokenizer FILE. With " +
    "--values the rows are read from the tables beside the config (in the layout of engram or of " +
    "DeepSeek-V4.1-Flash); nothing else of the tables is read. Values are printed exactly, as 32-bit floats.",
  options: [
    {
      flags: "--config <FILE>",
      description: "config.json with the engram_* keys",
      isRequired: true,
    },
    { flags: "--text <TEXT>", description: "text to tokenize" },
    { flags: "--ids <IDS>", description: "token ids, such as 1,2,3" },
    {
      flags: "--compressed-ids <IDS>",
      description: "ids after compression (-1: a position without text); need no tokenizer",
    },
    {
      flags: "--tokenizer <FILE>",
      description: "tokenizer.json (default: the one beside the config)",
    },
    { flags: "--values", description: "also read and decode the rows" },
  ],
  examples: [
    'rows --config models/tiny/config.json --text "Only Alexander the Great could"',
    "rows --config config.json --compressed-ids 0,3,-1,15 --json",
    "rows --config DeepSeek-V4.1-Flash/config.json --compressed-ids 0,3,15 --values",
  ],
  schema,
  async run(input, { print, signal }) {
    const json = await readJsonFile(input.config);
    const config = parseAddressConfig(json);
    // A model saved by engram has its constants; models of others may lack them.
    checkStoredConstants(buildLayout(config), json);
    const document =
      input.compressedIds === undefined
        ? rowsForIds({
            config,
            documentStart: parseDocumentStart(json as Record<string, unknown>),
            ...(await tokenize(input, signal)),
          })
        : rowsForIds({ config, compressedIds: input.compressedIds });
    const values = input.values ? await readValues(input.config, document.layers) : undefined;
    for (const [layer, positions] of Object.entries(document.layers)) {
      print(`layer ${layer}\n`);
      for (const [t, rows] of positions.entries()) {
        if (values === undefined) print(`  ${t}: ${rows.join(" ")}\n`);
        else
          for (const [c, row] of rows.entries())
            print(`  ${t}: ${row}: ${values[layer]![t]![c]!.join(" ")}\n`);
      }
    }
    return values === undefined ? document : { ...document, values };
  },
});

/** `values[layer][position][column]` are the values of the row at that place. Reads those rows only. */
async function readValues(
  config: string,
  layers: Readonly<Record<string, number[][]>>,
): Promise<Record<string, number[][][]>> {
  if (basename(config) !== "config.json")
    throw new InvalidConfigError(
      `--values reads the tables beside the config; expected a path that ends in config.json, got ${config}`,
    );
  await using files = await openModelDirectory(dirname(config));
  const engram = parseEngramConfig(files.config);
  const { headDim } = engram;
  const tables: RetrievalTable[] = [];
  for (const { layerId, format, open } of await locateTables(files, engram))
    tables.push({ layerId, format, store: await open() });
  const retrieval = new Retrieval(tables);
  try {
    const values: Record<string, number[][][]> = {};
    for (const [layer, positions] of Object.entries(layers)) {
      const rows = Uint32Array.from(positions.flat());
      const memory_PE = new Float32Array(rows.length * headDim);
      await retrieval.retrieve(Number(layer), { rows, memory_PE });
      let at = 0;
      values[layer] = positions.map((some) =>
        some.map(() => Array.from(memory_PE.subarray(at, (at += headDim)))),
      );
    }
    return values;
  } finally {
    await retrieval.close();
  }
}

async function tokenize(
  input: Input,
  signal: AbortSignal,
): Promise<{
  ids: ArrayLike<number>;
  tokenMap: ReturnType<typeof buildTokenMap>;
}> {
  const beside = join(dirname(input.config), "tokenizer.json");
  if (input.tokenizer === undefined && !existsSync(beside))
    throw new InvalidConfigError(
      `there is no tokenizer.json beside ${input.config}; give --tokenizer FILE, or --compressed-ids, which need none`,
    );
  const tokenizer = await loadTokenizer(input.tokenizer ?? beside);
  const ids = input.ids ?? (await tokenizer.encode(input.text ?? "", { signal }));
  return { ids, tokenMap: buildTokenMap(tokenizer) };
}
