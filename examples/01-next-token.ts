/**
 * The walk from text to the next token, every step by hand, no convenience layer:
 *
 *     node examples/01-next-token.ts [model directory, else the one that comes along] [text]
 *
 * T tokens, C hash columns, E memory width, V vocabulary. Read along in ARCHITECTURE.md.
 */
import { fileURLToPath } from "node:url";
import { argmax, Decoder } from "../src/inference/index.ts";
import { loadModel } from "../src/load-model.ts";
import { addressBatch, compressIds, Retrieval } from "../src/memory/index.ts";

const comesAlong = fileURLToPath(new URL("../assets/shakespeare", import.meta.url));
const [directory = comesAlong, text = "It is the east, and Jul"] = process.argv.slice(2);
await using model = await loadModel(directory);
const { tokenizer, language, config } = model;
const { tokenMap, addressing, tables } = model.rows!;
const show = (step: string, value: unknown): void => console.log(step.padEnd(34), value);

// 1. Text becomes token ids; a document begins with the end-of-text token.
const ids_T = [tokenizer.eosTokenId!, ...(await tokenizer.encode(text))];
show("token ids", ids_T.join(" "));

// 2. Spellings of one word share a compressed id.
const compressed_T = compressIds(tokenMap, ids_T);
show("compressed ids", compressed_T.join(" "));

// 3. Each layer, order and head owns a prime number of rows; multipliers mix the ids.
const [layer] = addressing.layout.layers;
show(`layer ${layer!.layerId}: rows a bucket`, layer!.primes.join(" "));
show("multipliers", layer!.multipliers.join(" "));

// 4. The last tokens, hashed: one row id a column. Nothing but ids went in.
const rows = addressBatch(addressing, compressed_T, { sequenceLength: ids_T.length });
const rows_TC = rows[0]!;
show("rows of the last token", rows_TC.slice(-addressing.numColumns).join(" "));

// 5. and 6. Row bytes are read from the table and become numbers.
const memory_TE = new Float32Array(rows_TC.length * tables[0]!.format.headDim);
await new Retrieval(tables).retrieve(layer!.layerId, { rows: rows_TC, memory_PE: memory_TE });
show(
  "memory of the last token begins",
  memory_TE.slice(-memory_TE.length / ids_T.length).slice(0, 4),
);

// 7. to 10. The transformer, the gate and the cache: a session does steps 2 to 6 itself.
const session = new Decoder(language).createSession();
const { logits: logits_V, gates } = await session.append(ids_T);
show("logits", `${logits_V.length} = vocabulary ${config.vocabSize}`);
show("gate of the last token", gates.get(layer!.layerId)!.at(-1));

// 11. Logits become one id, and the id text.
const next = argmax(logits_V);
show("next token", `${next} ${JSON.stringify(tokenizer.decode([next]))}`);
