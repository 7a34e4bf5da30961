/**
 * `engram dash`: serves the page with the curves of training runs until it is stopped. Loads no model and changes no
 * run.
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
import { version } from "../../bytes/node/index.ts";

export const dashCommand: Command = defineCommand({
  path: "dash",
  summary: "show the curves of training runs",
  description:
    "Shows loss, validation, gates and speed of one or several training runs in the browser, and which " +
    "settings differ between them. RUN is the --out directory of engram train. The run may be finished, " +
    "stopped or still training; curves of a run in training are updated. Changes no files. Serves until " +
    "Ctrl-C. With --json it prints the progress of the runs and ends at once.",
  arguments: [{ name: "RUN...", description: "directories of training runs" }],
  options: [
    { flags: "--host <ADDRESS>", description: "address to listen on (default 127.0.0.1)" },
    { flags: "--port <N>", description: "port to listen on; 0 takes a free one (default 8081)" },
    {
      flags: "--insecure",
      description: "allow a --host that other machines can reach",
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
    // `engram serve` has 8080.
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
