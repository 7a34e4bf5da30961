/** `/engram/training`: a training run where the server is, if it is somewhere that offers one: started, watched, stopped. */
import type { Router } from "../router.ts";
import { ApiError } from "../api-error.ts";
import type { RouteContext, TrainingControl } from "../serving.ts";

export function trainingRoutes(app: Router, context: RouteContext): void {
  const control = (): TrainingControl => {
    const { training } = context.options;
    if (training !== undefined) return training;
    throw new ApiError("nothing is trained here; engram train does it, and engram dash shows it", {
      code: "no_training",
    });
  };

  app.get("/engram/training", (c) =>
    c.json({ training: context.options.training?.state() ?? null }),
  );

  app.post("/engram/training", async (c) => {
    const training = control();
    const { name, text } = await context.readBody(c.req.raw, "training");
    training.start(text === undefined ? undefined : { name, text });
    return c.json({ training: training.state() });
  });

  app.delete("/engram/training", (c) => {
    const training = control();
    training.stop();
    return c.json({ training: training.state() });
  });
}
