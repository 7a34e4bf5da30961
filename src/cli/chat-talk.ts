/**
 * The loop of `engram chat`: reads lines, answers texts, does commands. At a terminal it shows speed and context at its
 * prompt; in a pipe it writes answers and nothing else to stdout. Knows no model, only the conversation.
 */
import type { Answered, Conversation, ChatMessage, GatedToken } from "../chat/index.ts";
import { RequestError } from "../errors.ts";
import { tokenText, type Tokenizer } from "../tokenizer/index.ts";
import { decimal } from "./arguments.ts";
import { InputReader } from "./chat-input.ts";
import { type ChatLines, pipedLines, typedLines } from "./chat-lines.ts";
import type { CommandContext } from "./command.ts";
import { reportOf } from "./exit.ts";

export interface ChatTalkOptions {
  readonly tokenizer: Tokenizer;
  readonly hasMemory: boolean;
  readonly save: (file: string, messages: readonly ChatMessage[]) => Promise<void>;
  readonly context: Pick<
    CommandContext,
    "console" | "isInteractive" | "print" | "printText" | "progress" | "signal"
  >;
}

interface ChatCommand {
  readonly usage: string;
  readonly does: string;
  /** What to say about it. */
  run(argument: string): Promise<string> | string;
}

const scale = decimal(-100, 100);
/** Tokens that `/gates` lists by falling gate. */
const mostGates = 10;

export class ChatTalk {
  readonly #conversation: Conversation;
  readonly #options: ChatTalkOptions;
  readonly #commands: Readonly<Record<string, ChatCommand>>;
  #last: Answered | undefined;
  #isOver = false;
  /** Stops the answer that is being written. */
  #stopAnswer: () => void = () => undefined;

  constructor(conversation: Conversation, options: ChatTalkOptions) {
    this.#conversation = conversation;
    this.#options = options;
    this.#commands = {
      memory: {
        usage: "/memory off|on|SCALE",
        does: "leave the memory out, use it, or use so much of it; alone: say which",
        run: (argument) => this.#setMemory(argument),
      },
      gates: {
        usage: "/gates",
        does: "where the memory spoke in the last answer",
        run: () => this.#showGates(),
      },
      reset: {
        usage: "/reset",
        does: "begin a new conversation",
        run: () => {
          conversation.reset();
          this.#last = undefined;
          return "a new conversation";
        },
      },
      save: {
        usage: "/save FILE",
        does: "write the conversation to a new file",
        run: async (file) => {
          if (file === "") throw new RequestError("/save needs the name of a file");
          await options.save(file, conversation.messages);
          return `saved ${conversation.messages.length} messages in ${file}`;
        },
      },
      help: { usage: "/help", does: "this list", run: () => this.#help() },
      exit: {
        usage: "/exit",
        does: "leave; so do Ctrl-D, and Ctrl-C twice",
        run: () => {
          this.#isOver = true;
          return "";
        },
      },
    };
  }

  /** To whoever sits at the terminal. */
  greet(line: string): void {
    const { progress, isInteractive } = this.#options.context;
    progress.note(isInteractive ? `${line}\n/help lists commands; Ctrl-D leaves` : line);
  }

  /** Until the lines end. Throws `AbortError` when the program is told to stop. */
  async run(): Promise<void> {
    const { context } = this.#options;
    using lines = this.#lines();
    const reader = new InputReader();
    while (!this.#isOver) {
      const line = await lines.read(reader.isOpen ? "... " : this.#prompt());
      context.signal.throwIfAborted();
      const input = line === undefined ? reader.end() : reader.push(line);
      if (line === undefined) this.#isOver = true;
      if (input === undefined) continue;
      try {
        if (input.kind === "text") await this.#answer(input.text);
        else await this.#command(input);
      } catch (error) {
        // A wrong command changes nothing, and the lines after it are still meant. A text that a script wants answered, and
        // that cannot be, ends the script.
        const isHarmless = context.isInteractive || input.kind === "command";
        if (!isHarmless || context.signal.aborted) throw error;
        context.progress.note(reportOf(error).message);
      }
    }
  }

  #lines(): ChatLines {
    const { console, isInteractive, signal } = this.#options.context;
    if (!isInteractive) return pipedLines(console, signal);
    return typedLines(console, {
      signal,
      onInterrupt: () => this.#stopAnswer(),
      onLeave: () => {
        this.#isOver = true;
        this.#stopAnswer();
      },
    });
  }

  #prompt(): string {
    const { length, contextSize } = this.#conversation;
    const speed =
      this.#last === undefined ? "" : `, ${this.#last.tokensPerSecond.toFixed(0)} tok/s`;
    return `\n(${length} of ${contextSize} tokens${speed}) > `;
  }

  async #answer(text: string): Promise<void> {
    const { print, printText, progress, signal } = this.#options.context;
    const controller = new AbortController();
    this.#stopAnswer = () => controller.abort();
    const pieces = this.#conversation.answer(text, {
      signal: AbortSignal.any([controller.signal, signal]),
    });
    let step = await pieces.next();
    let end = "";
    for (; !step.done; step = await pieces.next()) {
      printText(step.value);
      end = step.value;
    }
    if (!end.endsWith("\n")) print("\n");
    this.#last = step.value;
    const { finishReason, numForgotten } = step.value;
    if (numForgotten > 0)
      progress.note(
        `the context is full: ${numForgotten === 1 ? "the oldest turn was" : `the ${numForgotten} oldest turns were`} forgotten`,
      );
    if (finishReason === "length") progress.note("the answer was cut off at its limit of tokens");
    if (finishReason === "abort") progress.note("stopped");
  }

  async #command({ name, argument }: { name: string; argument: string }): Promise<void> {
    const known = Object.hasOwn(this.#commands, name) ? this.#commands[name] : undefined;
    if (known === undefined)
      throw new RequestError(
        `there is no /${name}; /help lists what there is. Between two """ it is a text`,
      );
    const said = await known.run(argument);
    if (said !== "") this.#options.context.progress.note(said);
  }

  #help(): string {
    const lines = Object.values(this.#commands).map(
      ({ usage, does }) => `${usage.padEnd(22)}${does}`,
    );
    return [
      ...lines,
      'A line that ends with \\ goes on in the next one; so does what begins with """, up to the next """.',
    ].join("\n");
  }

  #setMemory(argument: string): string {
    const conversation = this.#conversation;
    if (!this.#options.hasMemory)
      throw new RequestError("this model has no memory, or was opened without it");
    if (argument !== "") {
      const word = { on: "1", off: "0" }[argument] ?? argument;
      const wished = scale.safeParse(word);
      if (!wished.success)
        throw new RequestError(
          `/memory takes off, on or a factor from -100 to 100, got "${argument}"`,
        );
      conversation.setScale(wished.data);
    }
    const now = conversation.scale;
    return `the memory is ${now === 0 ? "off" : now === 1 ? "on" : `used ${now} times`}`;
  }

  async #showGates(): Promise<string> {
    const { tokenizer } = this.#options;
    const tokens = await this.#conversation.gates();
    const layers = [...(tokens[0]?.gates.keys() ?? [])];
    if (tokens.length === 0)
      return "nothing has been answered yet, or not with the memory as it is now";
    if (layers.length === 0) return "this model's memory has no gates, or there is no memory";
    const strongest = ({ gates }: GatedToken): number => Math.max(...gates.values());
    const numbers = (of: (layer: number) => number): string =>
      layers.map((layer) => of(layer).toFixed(2).padStart(8)).join("");
    const mean = (layer: number): number =>
      tokens.reduce((sum, { gates }) => sum + gates.get(layer)!, 0) / tokens.length;
    const isConstant = layers.every((layer) =>
      tokens.every(({ gates }) => gates.get(layer) === tokens[0]!.gates.get(layer)),
    );
    if (isConstant && tokens.length > 1)
      return `the gate is the same for all ${tokens.length} tokens: ${layers.map((layer) => `${mean(layer).toFixed(2)} in layer ${layer}`).join(", ")}`;
    return [
      `${layers.map((layer) => `layer ${layer}`.padStart(8)).join("")}`,
      `${numbers(mean)}  mean of ${tokens.length} tokens`,
      ...tokens
        .toSorted((a, b) => strongest(b) - strongest(a))
        .slice(0, mostGates)
        .map(
          ({ id, gates }) =>
            `${numbers((layer) => gates.get(layer)!)}  ${JSON.stringify(tokenText(tokenizer, id))}`,
        ),
    ].join("\n");
  }
}
