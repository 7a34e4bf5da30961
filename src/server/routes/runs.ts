/** `/engram/runs`: training runs, their progress and their logs. Needs no model. */
import type { Router } from "../router.ts";
import { ApiError } from "../api-error.ts";
import { differencesOf, type RunSource, type RunSummaryFields } from "../run-source.ts";
import type { RouteContext } from "../serving.ts";

export function runRoutes(
  app: Router,
  { options }: { readonly options: Pick<RouteContext["options"], "runs"> },
): void {
  const found = async (): Promise<readonly RunSource[]> =>
    typeof options.runs === "function" ? options.runs() : options.runs;

  app.get("/engram/runs", async (c) => {
    const summaries = await Promise.all((await found()).map((run) => run.summary()));
    return c.json({
      runs: summaries.map(summaryJson),
      differences: differencesOf(summaries).map(({ setting, values }) => ({
        setting,
        values: values.map((value) => value ?? null),
      })),
    });
  });

  app.get("/engram/runs/log", async (c) => {
    const run = runCalled(await found(), c.req.query("run"));
    const { lines, cursor, isRestart, isEnd } = await run.read({
      cursor: c.req.query("cursor") ?? "",
    });
    return c.json({ run: run.name, lines, cursor, restart: isRestart, end: isEnd });
  });
}

function runCalled(runs: readonly RunSource[], name: string | undefined): RunSource {
  const run = runs.find((one) => one.name === name);
  if (run !== undefined) return run;
  if (name === undefined)
    throw new ApiError("run: expected the name of a run; /engram/runs lists them", {
      param: "run",
    });
  throw new ApiError(`there is no run "${name}" here; /engram/runs lists them`, {
    status: 404,
    param: "run",
    code: "unknown_run",
  });
}

/** Unknown values become null. */
function summaryJson(run: RunSummaryFields): object {
  return {
    name: run.name,
    state: run.state,
    updated_at: run.updatedAt === undefined ? null : run.updatedAt / 1000,
    step: run.step,
    steps: run.steps ?? null,
    tokens: run.tokens,
    seconds: run.seconds,
    num_params: run.numParams ?? null,
    num_rows: run.numRows ?? null,
    loss: run.loss ?? null,
    tokens_per_second: run.tokensPerSecond ?? null,
    gates: run.gates,
    valid_bits_per_byte: run.validBitsPerByte ?? null,
    valid_step: run.validStep ?? null,
    bits_per_byte_without_memory: run.bitsPerByteWithoutMemory ?? null,
    bits_per_byte_trained_without: run.bitsPerByteTrainedWithout ?? null,
  };
}
