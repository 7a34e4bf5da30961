/** What the first words of commands of two words stand for, such as `pack` of `pack build`. Knows no command. */

const groups: Readonly<Record<string, string>> = {
  pack: "count a corpus into a pack, which models read beside their memory",
  reader: "teach a model that has no memory how far to trust packs",
  tokenizer: "learn a vocabulary from text",
  table: "copy a model's tables to a cluster or to files, and check them",
};

/** The test of the registry asks for words of its own for each. */
export function groupSummary(name: string): string {
  return groups[name] ?? `commands about the ${name}`;
}
