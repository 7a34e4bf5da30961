/** What a computer has and what a model takes of it: plans and forecasts. No files, no tensors. */
export {
  checkPlan,
  describePlan,
  formatBytes,
  type MachineMemory,
  type MemoryPlan,
  type MemoryUse,
  type ModelSizes,
  planMemory,
  type PlanPart,
  type TableSize,
  type TrainingUse,
} from "./memory-plan.ts";
export {
  forecast,
  type Forecast,
  type ForecastInput,
  type RowTime,
  type Spread,
  timeOfRows,
} from "./forecast.ts";
export { DEPTHS, type RowTimesOptions, spreadOf, timeRows } from "./row-times.ts";
export { whatFits } from "./what-fits.ts";
