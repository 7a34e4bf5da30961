/** The program of the worker that `loadModel` starts. */
import { answerCalls, type Port } from "./calls.ts";
import { modelCalls } from "./model-calls.ts";

answerCalls(globalThis as unknown as Port, modelCalls());
