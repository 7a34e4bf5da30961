/** The program of the thread that judges answers. */
import { answerAsThread } from "../../../worker/node/index.ts";
import { judgeTasks } from "../judge.ts";

answerAsThread(judgeTasks());
