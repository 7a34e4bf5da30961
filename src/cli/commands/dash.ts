/**
 * `engram dash`: the page with the curves of training runs, on a port of this machine, until it is stopped. Loads no
 * model and touches no run.
 */
import * as z from "zod";
import { createDashboard, differencesOf, isLoopbackName } from "../../server/index.ts";
import { listen } from "../../server/node/index.ts";
import { checkRunDirectory, openRuns } from "../../training/node/index.ts";
import { flag, path, port } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { checkExposure } from "../exposure.ts";
import { inspectorPage } from "../inspector-page.ts";
import { untilAborted } from "../until-aborted.ts";
import { version } from "../version.ts";

export const dashCommand: Command = defineCommand({
  path: "dash",
  summary: "show the curves of training runs",
  description:
    "Shows loss, validation, gates and speed of training runs in the browser, one or several beside each " +
    "other, and in what settings they differ. RUN is a directory that engram train was given as --out: finished, stopped, or still going, " +
    "whose curves then grow as it trains. Only reads. Runs until Ctrl-C; with --json it prints how far the " +
    "runs are and ends at once.",
  arguments: [{ name: "RUN...", description: "directories of training runs" }],
  options: [
    { flags: "--host <ADDRESS>", description: "to listen on (default 127.0.0.1)" },
    { flags: "--port <N>", description: "to listen on; 0 takes a free one (default 8081)" },
    {
      flags: "--insecure",
      description: "let other machines in, with a --host that they can reach",
    },
  ],
  examples: [
    "dash models/tiny",
    "dash models/with models/without --port 9000",
    "dash models/* --json",
  ],
  schema: z.object({
    run: z.array(path),
    host: z.string().min(1).default("127.0.0.1"),
    // Beside `engram serve`, which has 8080.
    port: port.default(8081),
    insecure: flag.default(false),
  }),
  async run({ run: directories, host, port: number, insecure }, context) {
    const { isJson, print, progress, signal } = context;
    for (const directory of directories) await checkRunDirectory(directory);
    const runs = openRuns(directories);
    if (isJson) {
      const summaries = await Promise.all(runs.map((run) => run.summary()));
      return { runs: summaries, differences: differencesOf(summaries) };
    }
    checkExposure({ host, insecure, remedy: "it shows the logs of these runs" }, context);
    const dashboard = createDashboard({
      runs,
      version,
      isLoopback: isLoopbackName(host),
      page: () => inspectorPage({ note: (line) => progress.note(line) }),
      onError: (error) =>
        progress.note(error instanceof Error ? (error.stack ?? "") : String(error)),
    });
    const listener = await listen(dashboard.fetch, { host, port: number });
    try {
      print(`${runs.map(({ path: where }) => where).join(", ")} at ${listener.url}/#/runs\n`);
      await untilAborted(signal);
    } finally {
      listener.destroy();
    }
    return { url: listener.url };
  },
});
