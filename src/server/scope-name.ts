/** The schema of a name that a scope or a fact can have. */
import * as z from "zod/mini";
import { isFactName } from "../facts/index.ts";

export const scopeName: z.ZodMiniString = z
  .string()
  .check(z.refine(isFactName, 'expected 1 to 64 letters, digits, "_", ".", ":" or "-"'));
