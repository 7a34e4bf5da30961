/** The program that the server's threads run. */
import { answerAsThread } from "../../worker/node/index.ts";
import { serverTasks } from "../server-tasks.ts";

answerAsThread(serverTasks());
