/**
 * `engram rows`: the table rows that a text, or ids, address. Needs a configuration, no weights. How
 * addresses are computed is `memory`'s.
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import * as z from "zod";
import { InvalidConfigError } from "../../errors.ts";
import {
  buildLayout,
  buildTokenMap,
  checkHashConstants,
  parseAddressConfig,
  rowsForIds,
} from "../../memory/index.ts";
import { idList, path } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { loadTokenizer } from "../load-tokenizer.ts";
import { readJson } from "../read-json.ts";

/** What a sequence may be given as; exactly one of them. */
const sources = ["text", "ids", "compressedIds"] as const;

const schema = z
  .object({
    config: path,
    text: z.string().min(1, "expected a text, got an empty one").optional(),
    ids: idList(0).optional(),
    compressedIds: idList(-1).optional(),
    tokenizer: path.optional(),
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
    "Prints, for each layer that carries memory and each token, the rows of the layer's table that " +
    "the token and the ones before it address. Needs the settings of a model (config.json) and no " +
    "weights. --text and --ids need the model's tokenizer, too: tokenizer.json beside the config, " +
    "or --tokenizer FILE.",
  options: [
    {
      flags: "--config <FILE>",
      description: "config.json with the engram_* keys",
      isRequired: true,
    },
    { flags: "--text <TEXT>", description: "a text, tokenized first" },
    { flags: "--ids <IDS>", description: "token ids, such as 1,2,3" },
    {
      flags: "--compressed-ids <IDS>",
      description: "ids after compression, -1 for a position without text; needs no tokenizer",
    },
    {
      flags: "--tokenizer <FILE>",
      description: "tokenizer.json (default: the one beside the config)",
    },
  ],
  examples: [
    'rows --config models/tiny/config.json --text "Only Alexander the Great could"',
    "rows --config config.json --compressed-ids 0,3,-1,15 --json",
  ],
  schema,
  async run(input, { print }) {
    const json = await readJson(input.config);
    const config = parseAddressConfig(json);
    // A model saved by engram carries its constants; one that others saved need not.
    const stored = (json as { engram_hash?: unknown }).engram_hash;
    if (stored !== undefined) checkHashConstants(buildLayout(config), stored);
    const document =
      input.compressedIds === undefined
        ? rowsForIds({ config, ...(await tokenize(input)) })
        : rowsForIds({ config, compressedIds: input.compressedIds });
    for (const [layer, positions] of Object.entries(document.layers)) {
      print(`layer ${layer}\n`);
      for (const [t, rows] of positions.entries()) print(`  ${t}: ${rows.join(" ")}\n`);
    }
    return document;
  },
});

async function tokenize(input: Input): Promise<{
  ids: ArrayLike<number>;
  tokenMap: ReturnType<typeof buildTokenMap>;
}> {
  const beside = join(dirname(input.config), "tokenizer.json");
  if (input.tokenizer === undefined && !existsSync(beside))
    throw new InvalidConfigError(
      `there is no tokenizer.json beside ${input.config}; give --tokenizer FILE, or --compressed-ids, which need none`,
    );
  const tokenizer = await loadTokenizer(input.tokenizer ?? beside);
  const ids = input.ids ?? tokenizer.encode(input.text ?? "");
  return { ids, tokenMap: buildTokenMap(tokenizer) };
}
