/** The program of a thread that compiles grammars and follows them. */
import { answerAsThread } from "../../worker/node/index.ts";
import { grammarTasks } from "../grammar-task.ts";
import { loadXgrammar } from "./load-xgrammar.ts";

const { load, reasonOf } = loadXgrammar();
answerAsThread(grammarTasks(load, reasonOf));
