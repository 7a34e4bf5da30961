/** The program of a server's threads. */
import { answerAsThread } from "../../worker/node/index.ts";
import { serverTasks } from "../server-tasks.ts";

answerAsThread(serverTasks());
