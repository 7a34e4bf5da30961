/**
 * `engram serve`: a model behind OpenAI's interface, on a port of this machine, until it is told to
 * stop. The first signal lets running requests finish; the second does not wait.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { TableTraffic } from "../../inspect/index.ts";
import { loadModel } from "../../load-model.ts";
import { createServer } from "../../server/index.ts";
import { listen } from "../../server/node/index.ts";
import { ortBackend } from "../../tensor/backends/onnx/node/index.ts";
import { openRuns } from "../../training/node/index.ts";
import { path, port, wholeNumber } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { inspectorPage } from "../inspector-page.ts";
import { untilAborted } from "../until-aborted.ts";
import { version } from "../version.ts";

/** Milliseconds that running requests have to finish after the first signal. */
const patience = 30_000;

export const serveCommand: Command = defineCommand({
  path: "serve",
  summary: "serve a model over OpenAI's interface",
  description:
    "Serves the model in the directory MODEL to clients of OpenAI's interface, at /v1, with " +
    "what the memory did in the field engram of requests and answers, and to people with a browser: " +
    "the page at / shows the memory at work. Runs until Ctrl-C or SIGTERM, " +
    "which let running requests finish. Every option can be given as an environment variable " +
    "instead: --ctx-size as ENGRAM_CTX_SIZE.",
  arguments: [{ name: "MODEL", description: "model directory" }],
  options: [
    {
      flags: "--host <ADDRESS>",
      description: "to listen on (default 127.0.0.1)",
      env: "ENGRAM_HOST",
    },
    {
      flags: "--port <N>",
      description: "to listen on; 0 takes a free one (default 8080)",
      env: "ENGRAM_PORT",
    },
    { flags: "--api-key <KEY>", description: "asked for as a bearer token", env: "ENGRAM_API_KEY" },
    {
      flags: "--cors-origins <ORIGINS>",
      description: "pages that may call, with commas between them; * for all",
      env: "ENGRAM_CORS_ORIGINS",
    },
    {
      flags: "--alias <NAME>",
      description: "what clients call the model (default: its directory)",
      env: "ENGRAM_ALIAS",
    },
    {
      flags: "--parallel <N>",
      description: "texts generated at a time (default 4)",
      env: "ENGRAM_PARALLEL",
    },
    {
      flags: "--ctx-size <N>",
      description: "tokens of prompt and answer together (default: the model's)",
      env: "ENGRAM_CTX_SIZE",
    },
    {
      flags: "--threads <N>",
      description: "threads for the computation (default: all cores)",
      env: "ENGRAM_THREADS",
    },
  ],
  examples: ["serve models/tiny", "serve models/tiny --port 9000 --api-key secret --parallel 8"],
  schema: z.object({
    model: path,
    host: z.string().min(1).default("127.0.0.1"),
    port: port.default(8080),
    apiKey: z.string().min(1, "expected a key, got an empty text").optional(),
    corsOrigins: z
      .string()
      .transform((text) => text.split(",").map((origin) => origin.trim()))
      .optional(),
    alias: z.string().min(1).optional(),
    parallel: wholeNumber(1).optional(),
    ctxSize: wholeNumber(1).optional(),
    threads: wholeNumber(1).optional(),
  }),
  async run(
    {
      model: directory,
      host,
      port: number,
      apiKey,
      corsOrigins,
      alias,
      parallel,
      ctxSize,
      threads,
    },
    { isJson, print, progress, signal },
  ) {
    await using backend = disposable(ortBackend(threads === undefined ? {} : { threads }));
    // The port opens at once: whoever waits for the server sees it answer 503 while it loads.
    const traffic = new TableTraffic();
    const loading = loadModel(directory, { backend: backend.value, wrapStore: traffic.watch });
    const server = createServer(loading, {
      version,
      traffic,
      // The run that made the model, for those that were trained here.
      runs: existsSync(join(directory, "metrics.jsonl")) ? openRuns([directory]) : [],
      page: () => inspectorPage({ note: (line) => progress.note(line) }),
      onError: (error) =>
        progress.note(error instanceof Error ? (error.stack ?? "") : String(error)),
      ...(apiKey !== undefined && { apiKey }),
      ...(corsOrigins !== undefined && { corsOrigins }),
      ...(alias !== undefined && { alias }),
      ...(parallel !== undefined && { parallel }),
      ...(ctxSize !== undefined && { contextSize: ctxSize }),
    });
    const listener = await listen(server.fetch, { host, port: number });
    try {
      await server.ready;
      const line = `serving ${directory} at ${listener.url}/v1; look into it at ${listener.url}/`;
      if (isJson) progress.note(line);
      else print(`${line}\n`);
      await untilAborted(signal);
      progress.note("finishing what is running; once more to stop at once");
      await Promise.race([
        Promise.all([server.drain(), listener.close()]),
        new Promise((resolve) => setTimeout(resolve, patience).unref()),
      ]);
    } finally {
      await server.close();
      listener.destroy();
      await (await loading.catch(() => undefined))?.close();
    }
    return { model: directory, url: listener.url };
  },
});

function disposable<Value extends { dispose(): Promise<void> }>(
  value: Value,
): AsyncDisposable & { value: Value } {
  return { value, [Symbol.asyncDispose]: () => value.dispose() };
}
