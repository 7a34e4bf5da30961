/**
 * Lines -> what is said: a line that ends with a backslash goes on in the next one, and what stands between two lines
 * with """ is one text. A line that begins with a slash and a word is a command. Knows no terminal and no command.
 */

export type ChatInput =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "command"; readonly name: string; readonly argument: string };

const fence = '"""';

export class InputReader {
  #lines: string[] = [];
  #isFenced = false;

  /** Whether the next line belongs to the same input. */
  get isOpen(): boolean {
    return this.#isFenced || this.#lines.length > 0;
  }

  /** The input that `line` completes; undefined while it goes on, and for an empty line. */
  push(line: string): ChatInput | undefined {
    if (!this.isOpen && line.trimStart().startsWith(fence)) {
      this.#isFenced = true;
      const first = line.trimStart().slice(fence.length);
      // What stands behind the opening fence is text; a fence alone on its line is not a line of it.
      return first === "" ? undefined : this.#fenced(first);
    }
    if (this.#isFenced) return this.#fenced(line);
    if (line.endsWith("\\")) {
      this.#lines.push(line.slice(0, -1));
      return undefined;
    }
    if (this.#lines.length > 0) {
      this.#lines.push(line);
      return this.end();
    }
    const [, name, argument] = /^\/([a-z?]+)(?:\s+(.*?))?\s*$/.exec(line) ?? [];
    if (name !== undefined) return { kind: "command", name, argument: argument ?? "" };
    return line.trim() === "" ? undefined : { kind: "text", text: line };
  }

  /** What is there at the end of all lines, or at an interruption. */
  end(): ChatInput | undefined {
    const text = this.#lines.join("\n");
    this.#lines = [];
    this.#isFenced = false;
    return text.trim() === "" ? undefined : { kind: "text", text };
  }

  #fenced(line: string): ChatInput | undefined {
    const isLast = line.trimEnd().endsWith(fence);
    const rest = isLast ? line.trimEnd().slice(0, -fence.length) : line;
    if (!isLast || rest !== "") this.#lines.push(rest);
    return isLast ? this.end() : undefined;
  }
}
