/** The words of this page that a stranger does not know, each in a sentence or two. Knows words; no model. */

export const glossary = {
  token:
    "A piece of text that the model reads and writes at once: a word, a part of one, or a sign. A space in front belongs to it.",
  "compressed id":
    "The number by which the memory knows a token. Spellings that differ in case or in the space in front share one, so that “The” and “the” lead to the same memory.",
  "n-gram":
    "The last tokens of the text, taken together: a 2-gram is the last two, a 3-gram the last three. The memory looks at nothing else.",
  head: "The n-gram is hashed several times over, once for each head, and each time gives a row of its own. Two n-grams that meet on one row rarely meet on all.",
  row: "One line of the memory's table: a few numbers, learned in training. Its place follows from the n-gram by arithmetic alone, so it can lie in cheap RAM.",
  gate: "How far the model lets in what it has read there: 0 shut, 1 open. The model decides it anew after every token, by what it has understood of the text.",
  stream:
    "What the model knows of the text so far, as one list of numbers for each token. Layers add to it one after the other.",
  layer:
    "One step of the model's work. The memory writes into the stream before some of the layers.",
  branch: "This model keeps several streams side by side, each with a gate of its own.",
  counts:
    "How often each token followed these tokens in training: a memory that is counted, not learned. It speaks for itself, and the model decides how far to trust it.",
  loss: "How surprised the model is by the token that comes, in bits: 0 if it was certain, 1 if it gave it one half.",
  "held out": "Text that was kept apart in training: the model has never seen it.",
  tenants:
    "All n-grams of a text that fall on the same row. They share what it has learned, and the gate sorts out who is meant.",
} as const satisfies Record<string, string>;

export type Word = keyof typeof glossary;
