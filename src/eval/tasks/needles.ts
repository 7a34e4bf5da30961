/**
 * Needles in haystacks: facts hidden in filler text, one of which is asked for, generated from a seed. Knows texts; not
 * tokens, so lengths are in words.
 */
import { PythonRandom } from "./python-random.ts";
import type { Needles } from "./task-type.ts";
import type { Fields } from "./template.ts";

const keys = [
  ..."amber basil cedar coral delta ember fennel garnet hazel indigo jasper kelp lotus maple".split(
    " ",
  ),
  ..."nettle olive pepper quartz raven saffron thistle umber violet willow yarrow zephyr".split(
    " ",
  ),
];

/** Fields: context, key, value, length (words), depth (percent). With a limit, all depths are represented. */
export function makeNeedles(options: Needles): Fields[] {
  const { lengths, depths, count, seed, needles, needle, filler } = options;
  const random = new PythonRandom(seed);
  const documents: Fields[] = [];
  for (const length of lengths)
    for (let i = 0; i < count; i++)
      for (const depth of depths) {
        const chosen = drawn(random, needles);
        const sentences = fillerOf(filler, length);
        const asked = chosen[0]!;
        const hidden = chosen.map(({ key, value }) =>
          needle.replaceAll("{key}", key).replaceAll("{value}", value),
        );
        // The fact that is asked for is at the given depth, the others anywhere.
        const places = hidden.map((_, n) =>
          n === 0
            ? Math.round((sentences.length * depth) / 100)
            : random.below(sentences.length + 1),
        );
        const order = hidden.map((_, n) => n).toSorted((a, b) => places[b]! - places[a]!);
        for (const n of order) sentences.splice(places[n]!, 0, hidden[n]!);
        documents.push({ context: sentences.join(" "), ...asked, length, depth });
      }
  return documents;
}

/** Different keys, each with a number of four digits. */
function drawn(random: PythonRandom, count: number): { key: string; value: string }[] {
  const places = random.sample(keys.length ** 2, count);
  return places.map((place) => ({
    key: `${keys[place % keys.length]!}-${keys[Math.floor(place / keys.length)]!}`,
    value: String(1000 + random.below(9000)),
  }));
}

/** Sentences in turn, until there are so many words. */
function fillerOf(filler: readonly string[], length: number): string[] {
  const sentences: string[] = [];
  for (let words = 0, i = 0; words < length; i++) {
    const sentence = filler[i % filler.length]!;
    sentences.push(sentence);
    words += sentence.split(" ").length;
  }
  return sentences;
}
