/** The program that the thread for chat templates runs. */
import { answerAsThread } from "../../worker/node/index.ts";
import { templateTasks } from "../template-task.ts";

answerAsThread(templateTasks());
