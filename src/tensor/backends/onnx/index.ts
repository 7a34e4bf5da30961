export { type InPlacePair, type OnnxModel, lower } from "./lower.ts";
