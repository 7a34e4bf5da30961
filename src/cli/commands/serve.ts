/**
 * `engram serve`: a model behind OpenAI's interface, on a port of this machine, until it is stopped. The first signal
 * lets running requests finish; the second does not wait.
 */
import { readGiven } from "../given-text.ts";
import { DisposalStack } from "../../disposal-stack.ts";
import * as z from "zod";
import { TableTraffic } from "../../inspect/index.ts";
import { nameOfCachedPath } from "../../hub/node/index.ts";
import { loadModel } from "../../load-model.ts";
import {
  checkAccess,
  type EngramServer,
  isLoopbackName,
  parseApiKeys,
} from "../../server/index.ts";
import { createServer } from "../../server/node/index.ts";
import { flag, path, port, weightDtype, wholeNumber } from "../arguments.ts";
import { chatTemplateOption, readChatTemplate } from "../chat-template-option.ts";
import { type Command, defineCommand } from "../command.ts";
import { threadsOption, threadsSchema } from "../engine-threads.ts";
import { checkExposure } from "../exposure.ts";
import { heldOutOf } from "../held-out.ts";
import { keepLittleMemory } from "../lean-process.ts";
import { inspectorPage } from "../inspector-page.ts";
import {
  ctxSizeOption,
  dtypeOption,
  factName,
  learnOption,
  memoryOptions,
  memorySchema,
  openedBy,
  packList,
  packOption,
} from "../model-options.ts";
import { modelArgument } from "../resolve-model.ts";
import { runsOfModel } from "../runs-of-model.ts";
import { serveUntilStopped } from "../serve-until-stopped.ts";
import { tableOptions, tableSchema } from "../table-place.ts";
import { version } from "../../bytes/node/index.ts";

export const serveCommand: Command = defineCommand({
  path: "serve",
  summary: "serve a model over OpenAI's interface",
  description:
    "Serves the model MODEL over OpenAI's interface at /v1. The field engram of requests " +
    "controls the memory, and the field engram of answers reports what it did. The page at / shows the " +
    "memory in a browser. Serves until Ctrl-C or SIGTERM; running requests may then finish. With --json " +
    "it prints its one document when it is ready for requests. Every option can also be an environment " +
    "variable: ENGRAM_CTX_SIZE for --ctx-size.",
  arguments: [modelArgument],
  options: [
    {
      flags: "--host <ADDRESS>",
      description: "address to listen on (default 127.0.0.1: this machine only)",
      env: "ENGRAM_HOST",
    },
    {
      flags: "--port <N>",
      description: "port to listen on; 0 takes a free one (default 8080)",
      env: "ENGRAM_PORT",
    },
    {
      flags: "--api-key <KEY>",
      description: "bearer token that clients must send",
      env: "ENGRAM_API_KEY",
    },
    {
      flags: "--api-keys <FILE>",
      description:
        "JSON of several keys, each with its scopes, rights and quotas (docs/guide.md, Keys)",
      env: "ENGRAM_API_KEYS",
    },
    ...memoryOptions,
    { ...packOption, env: "ENGRAM_PACK" },
    { ...learnOption, env: "ENGRAM_LEARN" },
    {
      flags: "--cors-origins <ORIGINS>",
      description: "origins whose pages may send requests, separated by commas; * for all",
      env: "ENGRAM_CORS_ORIGINS",
    },
    {
      flags: "--alias <NAME>",
      description: "model name for clients (default: its directory, or the name it was pulled by)",
      env: "ENGRAM_ALIAS",
    },
    { ...chatTemplateOption, env: "ENGRAM_CHAT_TEMPLATE" },
    {
      flags: "--parallel <N>",
      description: "texts generated at the same time (default 4)",
      env: "ENGRAM_PARALLEL",
    },
    { ...ctxSizeOption, env: "ENGRAM_CTX_SIZE" },
    { ...dtypeOption, env: "ENGRAM_DTYPE" },
    threadsOption,
    ...tableOptions,
    {
      flags: "--keep-alive <SECONDS>",
      description: "how long idle connections stay open; a proxy needs less (default 120)",
      env: "ENGRAM_KEEP_ALIVE",
    },
    {
      flags: "--insecure",
      description: "allow a --host that other machines can reach without an --api-key",
      env: "ENGRAM_INSECURE",
    },
  ],
  examples: ["serve models/tiny", "serve models/tiny --port 9000 --api-key secret --parallel 8"],
  schema: z.object({
    model: path,
    host: z.string().min(1).default("127.0.0.1"),
    port: port.default(8080),
    apiKey: z.string().min(1, "expected a key, got an empty string").optional(),
    apiKeys: path.optional(),
    ...memorySchema,
    pack: packList,
    learn: factName.optional(),
    corsOrigins: z
      .string()
      .transform((text) => text.split(",").map((origin) => origin.trim()))
      .optional(),
    alias: z.string().min(1).optional(),
    chatTemplate: path.optional(),
    parallel: wholeNumber(1).default(4),
    ctxSize: wholeNumber(1).optional(),
    dtype: weightDtype.optional(),
    ...threadsSchema,
    ...tableSchema,
    keepAlive: wholeNumber(1).optional(),
    insecure: flag.default(false),
  }),
  async run(
    {
      model: directory,
      host,
      port: number,
      apiKey,
      apiKeys: keysFile,
      memoryDir,
      memoryUrl,
      pack,
      learn,
      corsOrigins,
      alias,
      chatTemplate,
      parallel,
      ctxSize,
      dtype,
      threads,
      table,
      tableMemory,
      keepAlive,
      insecure,
    },
    context,
  ) {
    const { isJson, print, progress } = context;
    keepLittleMemory();
    const apiKeys = keysFile && (await parseApiKeys(await readGiven(keysFile, context), keysFile));
    const access = {
      isLoopback: isLoopbackName(host),
      ...(apiKeys && { apiKeys }),
      ...(apiKey !== undefined && { apiKey }),
      ...(corsOrigins !== undefined && { corsOrigins }),
    };
    const name = alias ?? nameOfCachedPath(directory);
    checkExposure(
      { host, apiKey: apiKey ?? keysFile, insecure, remedy: "give it a key (--api-key)" },
      context,
    );
    checkAccess(access);
    const opening = openedBy(
      { dtype, threads, table, tableMemory, memoryDir, memoryUrl, pack },
      context,
    );
    await using owned = new DisposalStack();
    const traffic = new TableTraffic();
    const heldOut = await heldOutOf(directory);
    const template = await readChatTemplate(chatTemplate, context);
    const open = (): EngramServer => {
      const loading = loadModel(directory, {
        ...opening,
        texts: parallel,
        contextSize: ctxSize,
        wrapStore: traffic.watch,
      });
      owned.adopt(loading, async () => (await loading.catch(() => undefined))?.close());
      return createServer(loading, {
        ...access,
        learn,
        version,
        traffic,
        heldOut,
        chatTemplate: template,
        runs: runsOfModel(directory),
        page: () => inspectorPage({ note: (line) => progress.note(line) }),
        onError: (error) =>
          progress.note(error instanceof Error ? (error.stack ?? "") : String(error)),
        ...(name !== undefined && { alias: name }),
        parallel,
        ...(ctxSize !== undefined && { contextSize: ctxSize }),
      });
    };
    const url = await serveUntilStopped(open, {
      host,
      ports: [number],
      keepAlive,
      context,
      onReady(address) {
        const line = `serving ${name ?? directory} at ${address}/v1; look into it at ${address}/`;
        if (isJson) progress.note(line);
        else print(`${line}\n`);
        context.answer({ model: directory, url: address });
      },
    });
    return { model: directory, url };
  },
});
