/**
 * The baseline that needs no model: a copy head over the taught strings. Of the text's end it looks for the longest piece
 * of at least M tokens that a taught string has, and copies what follows there; of equal ones the last taught counts.
 *
 *   node bench/copy-head.ts --model DIR|FILE.gguf --data counterfact-val.json [--facts 1000]
 *
 * CounterFact's edits, with the tokens of the model's vocabulary. Shares: the whole completion copied after the taught
 * wording and after the rephrased one; and of neighbouring prompts, which nothing was taught of, those in which it speaks
 * at all. Beside it, the same for taught wordings as they are here (`facts/wording.ts`): keys are whole prompts.
 */
import { needed, readOptions } from "./setup/command-line.ts";
import { FactStore, TaughtMemory } from "../src/facts/index.ts";
import { wordingsOf } from "../src/facts/wording.ts";
import { loadModel } from "../src/load-model.ts";
import { readCounterFact } from "./setup/counterfact.ts";

const values = readOptions({
  model: needed,
  data: needed,
  facts: 1000,
});
const items = readCounterFact(values.data).slice(0, values.facts);
await using model = await loadModel(values.model, { memory: false });
const { tokenizer } = model;
const encode = async (text: string): Promise<number[]> => Array.from(await tokenizer.encode(text));
/** What comes next after the end of a text; undefined where nothing is said. */
type Head = (ids: readonly number[]) => number | undefined;

/** By the last `least` ids: the taught strings that have them, and where they end. */
function copyHead(strings: readonly (readonly number[])[], least: number): Head {
  const places = new Map<string, [string: number, end: number][]>();
  for (const [s, ids] of strings.entries())
    for (let end = least; end < ids.length; end++) {
      const key = ids.slice(end - least, end).join(" ");
      const known = places.get(key) ?? [];
      known.push([s, end]);
      places.set(key, known);
    }
  return (ids) => {
    let best: number | undefined;
    let longest = 0;
    for (const [s, end] of places.get(ids.slice(-least).join(" ")) ?? []) {
      const string = strings[s]!;
      let length = least;
      while (
        length < end &&
        length < ids.length &&
        string[end - 1 - length] === ids.at(-1 - length)
      )
        length++;
      if (length >= longest) [longest, best] = [length, string[end]];
    }
    return best;
  };
}

async function taughtHead(): Promise<Head> {
  const store = new FactStore();
  const createdAt = new Date(0).toISOString();
  for (const [n, { prompt, target_new: answer }] of items.entries()) {
    const completion = ` ${answer}`;
    const edits = await wordingsOf({ prompt, completion }, { tokenizer });
    const fact = { id: `f${n}`, scope: "default", prompt, completion, createdAt };
    await store.add([{ fact, edits }]);
  }
  const memory = store.memory(undefined) as TaughtMemory;
  return (ids) => {
    for (const one of memory.firings({ ids, from: ids.length - 1, to: ids.length }))
      if (one.kind === "wording") return one.id;
    return undefined;
  };
}

const strings: number[][] = [];
for (const { prompt, target_new: answer } of items)
  strings.push(await encode(`${prompt} ${answer}`));
console.log("head,taught wording,rephrased,speaks in neighbouring prompts");
const heads: [string, Head][] = [1, 2, 4, 8].map((least) => [
  `copy of ${least} or more tokens`,
  copyHead(strings, least),
]);
heads.push(["taught wordings", await taughtHead()]);
for (const [name, head] of heads) {
  const sums = { taught: 0, rephrased: 0, speaks: 0 };
  for (const item of items) {
    const completion = await encode(` ${item.target_new}`);
    const says = async (prompt: string): Promise<boolean> => {
      const ids = await encode(prompt);
      return completion.every((id) => {
        const isRight = head(ids) === id;
        ids.push(id);
        return isRight;
      });
    };
    sums.taught += Number(await says(item.prompt));
    sums.rephrased += Number(await says(item.rephrase_prompt));
    sums.speaks += Number(head(await encode(item.locality_prompt)) !== undefined);
  }
  const share = (sum: number): string => (sum / items.length).toFixed(3);
  console.log(`${name},${share(sums.taught)},${share(sums.rephrased)},${share(sums.speaks)}`);
}
