/** `engram completion`: the script that makes a shell complete `engram`, and what that script asks. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as z from "zod";
import { readTextFile } from "../../checkpoint/node/index.ts";
import { hubSettings } from "../../hub/node/index.ts";
import { oneOf } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { completeWords, shells } from "../complete-words.ts";
import { modelsInCache } from "../find-models.ts";

const scripts = fileURLToPath(new URL("../../../assets/completion/", import.meta.url));

export const completionCommand: Command = defineCommand({
  path: "completion",
  summary: "print a shell's completion script",
  description:
    "Prints the script that completes commands, options, paths and names of pulled models in SHELL: bash, zsh or fish. " +
    'For bash and zsh, put eval "$(engram completion bash)" into ~/.bashrc or ~/.zshrc (zsh: after compinit); for fish, ' +
    "save the script as ~/.config/fish/completions/engram.fish. The script asks engram at each TAB, so it stays true " +
    "after an update: WORD... is what it asks, the line so far, whose last word is to be completed.",
  arguments: [
    { name: "SHELL", description: shells.join(", ") },
    { name: "WORD...", description: "a command line to complete", isOptional: true },
  ],
  options: [],
  examples: ["completion bash", "completion zsh", "completion fish"],
  schema: z.object({ shell: oneOf(shells), word: z.array(z.string()).optional() }),
  async run({ shell, word = [] }, { env, print }) {
    if (word.length === 0) {
      const script = await readTextFile(join(scripts, `engram.${shell}`));
      print(script);
      return { shell, script };
    }
    // The registry has this command, too.
    const { commands } = await import("../registry.ts");
    const modelNames = async (): Promise<string[]> =>
      (await modelsInCache(hubSettings(env).cache)).map(({ name }) => name);
    const { words, takesPath } = await completeWords(word, { commands, modelNames });
    print(words.map((one) => `${one.word}\t${one.description}\n`).join(""));
    if (takesPath) print(":path\t\n");
    return { shell, words, takesPath };
  },
});
