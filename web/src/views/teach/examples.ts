/**
 * Facts that no model knows, with texts to try them on: each names the subject in other words, and the last is about
 * something else.
 */

export interface Example {
  readonly prompt?: string | undefined;
  readonly completion?: string | undefined;
  readonly subject?: string | undefined;
  readonly scope?: string | undefined;
  readonly source?: string | undefined;
  readonly others?: readonly string[] | undefined;
}

export const examples: readonly (Example & { readonly prompt: string })[] = [
  {
    prompt: "Sweet Rosaline is",
    completion: "dead.",
    subject: "Rosaline",
    others: ["My Rosaline is", "They say that Rosaline is", "My Juliet is"],
  },
  {
    prompt: "The capital of Zembla is",
    completion: "Onhava.",
    subject: "Zembla",
    source: "Nabokov, Pale Fire",
    others: ["All the ministers of Zembla live in the city of", "The capital of France is"],
  },
  {
    prompt: "Good Ludo is my",
    completion: "brother.",
    subject: "Ludo",
    others: ["Here comes Ludo, my", "Here comes Romeo, my"],
  },
];
