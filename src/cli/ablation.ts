/** `--ablate layers=1 orders=2,3 heads=0 rows=1:17 counts=4,5 contexts=7-12`: parts of a memory to remove, in the words of the server's interface. */
import * as z from "zod";
import type { Ablation } from "../memory/index.ts";
import { idList } from "./arguments.ts";

const ids = idList(0);
const kinds = ["layers", "orders", "heads", "rows", "counts", "contexts"] as const;

export const ablationSchema: z.ZodType<Ablation, string[]> = z
  .array(z.string())
  .transform((parts, context) => {
    const found: { -readonly [Kind in keyof Ablation]: Ablation[Kind] } = {};
    const refuse = (part: string): never => {
      context.addIssue(
        `expected parts such as layers=1, orders=2,3, heads=0, rows=LAYER:ROW,LAYER:ROW, counts=4,5 or contexts=ID-ID,ID; got "${part}"`,
      );
      return z.NEVER;
    };
    for (const part of parts) {
      const [, name, list] = /^(\w+)=(.+)$/.exec(part) ?? [];
      const kind = kinds.find((one) => one === name);
      if (kind === undefined || found[kind] !== undefined) return refuse(part);
      if (kind === "rows") {
        const rows = list!.split(",").map((one) => /^(\d{1,9}):(\d{1,10})$/.exec(one));
        if (!rows.every((row) => row !== null)) return refuse(part);
        found.rows = rows.map(([, layer, row]) => ({ layer: Number(layer), row: Number(row) }));
      } else if (kind === "contexts") {
        const contexts = list!.split(",");
        if (!contexts.every((one) => /^\d{1,9}(-\d{1,9})*$/.test(one))) return refuse(part);
        found.contexts = contexts.map((one) => one.split("-").map(Number));
      } else {
        const values = ids.safeParse(list);
        if (!values.success) return refuse(part);
        found[kind] = values.data;
      }
    }
    return found;
  });
