/**
 * A program that exits while runs are in flight, in the way its argument names. `c-api-backend.test.ts` starts it and
 * checks how it ended. Not part of the library.
 */
import { GraphBuilder, zeros } from "../../../index.ts";
import { ortBackend } from "./ort-backend.ts";

const way = process.argv[2];
const size = [700, 700];
const g = new GraphBuilder();
const x = g.input("x", "f32", size);
let y = x;
for (let i = 0; i < 40; i++) y = g.matmul(y, x);
const backend = ortBackend({ threads: 2 });
const executable = await backend.compile(g.build({ y }));
const runs = [0, 1, 2].map(() =>
  executable.bind({ x: zeros("f32", size) }, { y: zeros("f32", size) }).run(),
);
console.log("in flight");
if (way === "exit") process.exit(7);
if (way === "exit in a turn") setTimeout(() => process.exit(7), 30);
if (way === "throw") throw new Error("on purpose");
if (way === "dispose and exit") {
  void backend.dispose();
  process.exit(7);
}
await Promise.all(runs);
console.log("finished");
