/** The memory plan of a model that a command is about to open: one line on stderr, before anything large is read. */
import { describePlan, type MemoryPlan } from "../machine/index.ts";
import type { Progress } from "./progress.ts";

export function showPlan(progress: Progress): (plan: MemoryPlan) => void {
  return (plan) => progress.note(describePlan(plan));
}
