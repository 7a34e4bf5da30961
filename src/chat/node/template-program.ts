/** The program of a thread that renders chat templates. */
import { answerAsThread } from "../../worker/node/index.ts";
import { templateTasks } from "../template-task.ts";

answerAsThread(templateTasks());
