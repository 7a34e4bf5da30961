/** The program of a tokenizer's threads. */
import { answerAsThread } from "../../worker/node/index.ts";
import { encodeTasks } from "../encode-task.ts";

answerAsThread(encodeTasks());
